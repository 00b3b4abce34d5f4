# SPDX-License-Identifier: Apache-2.0
"""The lock in ZooKeeper."""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import Any

from staffeln.domain import errors
from staffeln.leadership.address import Address
from staffeln.leadership.services.base import Service
from staffeln.leadership.settings import Settings

_KAZOO_LOG = logging.getLogger(f"{__name__}.kazoo")
# kazoo tells of every try to reconnect as a warning, and at DEBUG of the
# password with which it logs in.
_KAZOO_LOG.setLevel(logging.ERROR)


class ZooKeeper(Service):
    """A node that lives as long as the session that made it.

    The client keeps the session alive in a thread of its own, also where
    nobody asks for the lock any more. So the session is ended when that
    was not proved to be ours for the lease's duration.
    """

    def __init__(
        self, address: Address, holder: str, settings: Settings
    ) -> None:
        super().__init__(address, holder, settings)
        self._client = self._driver._coord
        connection = self._client._connection
        self._client.logger = connection.logger = _KAZOO_LOG
        self._session = 0.0
        """Seconds of silence that the server grants."""
        self._guard = threading.Lock()
        self._silence: threading.Timer | None = None
        connect = connection._connect

        def noted(*args: Any) -> tuple[float, float]:
            # The server may grant less than was asked for. The client
            # keeps that to itself, but for the two thirds of it (in ms)
            # for which it waits for an answer.
            read_timeout, connect_timeout = connect(*args)
            self._session = read_timeout * 3 / 2 / 1000
            return read_timeout, connect_timeout

        connection._connect = noted

    def _options(self) -> dict[str, Any]:
        return {
            "timeout": str(self._settings.lease_duration),
            # Left to itself, the client waits twice as long from try to
            # try: after a long outage, longer than the lock is believed.
            "connection_retry": {
                "max_tries": -1,
                "max_delay": self._settings.lease_retry_period / 2,
            },
        }

    def connect(self) -> None:
        super().connect()
        self._check_session()

    def _check_session(self) -> None:
        asked = self._settings.lease_duration
        if round(self._session, 3) < asked:
            raise errors.ConfigurationError(
                f"[coordination] lease_duration = {asked}: the ZooKeeper "
                f"server grants sessions of {self._session:g} s at most"
            )

    def _take(self) -> bool:
        from kazoo import exceptions

        lock = self._driver.get_lock(self.lock_name)
        try:
            others = self._client.get_children(lock._lock.path)
        except exceptions.NoNodeError:
            others = []
        self._check_session()
        if others:
            return self._lock is not None and self.prove()
        self._lock = None
        if not lock.acquire(blocking=False):
            return False
        self._lock = lock
        return self._begin_anew()

    def prove(self) -> bool:
        from kazoo import exceptions

        if self._lock is None:
            return False
        lock = self._lock._lock
        path = f"{lock.path}/{lock.node}"
        try:
            # A server that lost touch with the others would still show
            # what it knew last.
            self._client.sync(lock.path)
            _, about = self._client.get(path)
        except (exceptions.NoNodeError, exceptions.SessionExpiredError):
            self._lock = None
            return False
        session = self._client.client_id
        mine = session is not None and about.ephemeralOwner == session[0]
        return mine and self._begin_anew()

    def _begin_anew(self) -> bool:
        """Count the silence from now on; False: it was too long."""
        with self._guard:
            if self.gone:
                return False
            if self._silence is not None:
                self._silence.cancel()
            self._silence = threading.Timer(
                self._settings.lease_duration, self._fall_silent
            )
            self._silence.daemon = True
            self._silence.start()
            return True

    def _fall_silent(self) -> None:
        # The session ends by itself where the server cannot be told.
        with contextlib.suppress(Exception):
            self.disconnect()

    def give_back(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None
        with self._guard:
            if self._silence is not None:
                self._silence.cancel()

    def disconnect(self) -> None:
        with self._guard:
            self.gone = True
            if self._silence is not None:
                self._silence.cancel()
        # Not by the driver, which refuses to stop what did not start.
        try:
            self._client.stop()
        finally:
            self._client.close()
