# SPDX-License-Identifier: Apache-2.0
"""The lock in Redis."""

from __future__ import annotations

import contextlib
import uuid
from typing import Any

from staffeln.leadership.address import Address
from staffeln.leadership.services.base import Service
from staffeln.leadership.settings import Settings


class Redis(Service):
    """A key that expires, with a token as its value."""

    reconnects = True

    def __init__(
        self, address: Address, holder: str, settings: Settings
    ) -> None:
        super().__init__(address, holder, settings)
        self._client: Any = None
        self._token = uuid.uuid4().hex.encode()

    def _options(self) -> dict[str, str]:
        return super()._options() | {
            "socket_timeout": str(self._limit),
            "socket_connect_timeout": str(self._limit),
        }

    def connect(self) -> None:
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        if self._client is None:
            # Not by the driver's start: it announces a member, and its
            # client tries again and again for longer than a term lasts.
            driver = self._driver
            self._client = driver._client = driver._make_client(
                driver._parsed_url, driver._options, driver.timeout
            )
            self._client.set_retry(Retry(NoBackoff(), 0))
            self._lock = driver.get_lock(self.lock_name)._lock
        self._client.ping()
        self._connected = True

    def _take(self) -> bool:
        found = self._client.get(self._lock.name)
        if found is None:
            return bool(self._lock.acquire(blocking=False, token=self._token))
        if found != self._token:
            return False
        self._lock.local.token = self._token
        return self.prove()

    def prove(self) -> bool:
        from redis.exceptions import LockError

        try:
            self._lock.reacquire()
        except LockError:
            return False
        return True

    def give_back(self) -> None:
        from redis.exceptions import LockError

        if self._lock is not None:
            with contextlib.suppress(LockError):
                self._lock.release()

    def disconnect(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client.connection_pool.disconnect()
