# SPDX-License-Identifier: Apache-2.0
"""One lock through each of tooz's drivers: taken, proved, given back.

tooz takes and frees locks alike everywhere, but asks its user to know of a
loss: where its drivers have no words for "is it still mine, and keep it",
the question is put to the client beneath, which is why attributes are used
here that tooz calls its own. All of it is tested with the real services.

Its heartbeat is not used: who holds the lock renews it, or does not.
"""

from __future__ import annotations

import base64
import contextlib
import logging
import threading
import uuid
import warnings
from typing import Any, ClassVar

from staffeln.domain import errors
from staffeln.leadership.address import (
    FILE_NAME,
    NAME,
    Address,
    check_library,
)
from staffeln.leadership.settings import Settings

with warnings.catch_warnings():
    # A library beneath looks for eventlet, whose import warns.
    warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
    from tooz import coordination

_REFUSALS = frozenset(
    {
        "AuthFailedError",
        "AuthenticationError",
        "NoAuthError",
        "NoPermissionError",
    }
)
"""Errors of the clients by which a service refuses a login or a right."""
_MYSQL_REFUSALS = frozenset({1044, 1045, 1049, 1130, 1142, 1698})

_KAZOO_LOG = logging.getLogger(f"{__name__}.kazoo")
# kazoo tells of every try to reconnect as a warning, and at DEBUG of the
# password with which it logs in.
_KAZOO_LOG.setLevel(logging.ERROR)


class Service:
    """A connection to a service, and the lock in it.

    Any method may raise whatever the client beneath raises.
    """

    expires: ClassVar[bool] = True
    reconnects: ClassVar[bool] = False
    """Whether it can be asked again after an error."""
    options_to_see: ClassVar[str] = "[coordination] backend_url"

    def __init__(
        self, address: Address, holder: str, settings: Settings
    ) -> None:
        self.gone = False
        """Whether its connection ended for good."""
        self._settings = settings
        self._connected = False
        # One that hangs leaves time for another within the deadline.
        self._limit = settings.lease_renew_deadline / 2
        options: dict[str, Any] = {
            name: value
            for name, value in self._options().items()
            if name not in address.options
        }
        with warnings.catch_warnings():
            # It is ours to say, and said at the start.
            warnings.simplefilter("ignore", DeprecationWarning)
            # Any: see the module's words on attributes.
            self._driver: Any = coordination.get_coordinator(
                address.url, holder.encode(), **options
            )
        self._lock: Any = None

    def _options(self) -> dict[str, str]:
        """What the driver is told where the URL says nothing."""
        return {"lock_timeout": str(self._settings.lease_duration)}

    def connect(self) -> None:
        """Connect and log in; takes nothing."""
        self._driver.start(start_heart=False)
        self._connected = True

    def acquire(self) -> bool:
        """Try once to take the lock."""
        if not self._connected:
            self.connect()
        return self._take()

    def _take(self) -> bool:
        self._lock = self._driver.get_lock(NAME.encode())
        return bool(self._lock.acquire(blocking=False))

    def prove(self) -> bool:
        """Whether the lock is ours, with its time begun anew."""
        if hasattr(self._lock, "heartbeat"):
            self._lock.heartbeat()
        return bool(self._lock.is_still_owner())

    def give_back(self) -> None:
        """Release the lock if it is ours."""
        if self._lock is not None and self._lock.is_still_owner():
            self._lock.release()

    def disconnect(self) -> None:
        """Let go of the connection; harmless when done."""
        if self._connected:
            self._connected = False
            self._driver.stop()

    def is_misconfigured(self, error: Exception) -> bool:
        """Whether no try with these settings can succeed."""
        return type(root_cause(error)).__name__ in _REFUSALS


class File(Service):
    """A lock of the kernel's: it lasts as long as its process."""

    expires = False
    options_to_see = "state_path and [coordination] backend_url"

    def _options(self) -> dict[str, str]:
        return {}

    def _take(self) -> bool:
        if self._lock is None:
            self._lock = self._driver.get_lock(FILE_NAME.encode())
        return bool(self._lock.acquire(blocking=False))

    def give_back(self) -> None:
        if self._lock is not None:
            self._lock.release()
            # It counts attempts that failed as well, and would call itself
            # unreleased when it is collected.
            self._lock.acquired = False

    def disconnect(self) -> None:
        self.give_back()
        super().disconnect()

    def is_misconfigured(self, _error: Exception) -> bool:
        return True


class Etcd(Service):
    """A key under a lease, by etcd's HTTP gateway.

    Each try that tooz makes costs a lease, so those who wait only read.
    """

    reconnects = True

    def __init__(
        self, address: Address, holder: str, settings: Settings
    ) -> None:
        super().__init__(address, holder, settings)
        self._client = self._driver.client
        if "timeout" not in address.options:
            self._client.timeout = self._limit

    def connect(self) -> None:
        self._read(self._driver.get_lock(NAME.encode()))
        self._connected = True

    def _take(self) -> bool:
        lock = self._driver.get_lock(NAME.encode())
        if self._read(lock):
            # Ours, if an answer to us was lost.
            return self._lock is not None and self.prove()
        self._lock = lock
        if lock.acquire(blocking=False):
            return True
        self._lock = None
        self._revoke(lock)
        return False

    def prove(self) -> bool:
        # The key is read after the lease began anew: found under it, it
        # lives for the whole duration from then on.
        lease = getattr(self._lock, "_lease", None)
        if lease is None or lease.refresh() <= 0:
            return False
        value = base64.b64decode(self._lock._uuid)
        return self._read(self._lock) == [(value, int(lease.id))]

    def give_back(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()
            self._revoke(lock)

    def disconnect(self) -> None:
        self._client.session.close()

    def _read(self, lock: Any) -> list[tuple[bytes, int]]:
        """The value under the lock's key and its lease, if there is one."""
        found = self._client.get(lock._key, metadata=True)
        return [(value, int(about.get("lease", 0))) for value, about in found]

    def _revoke(self, lock: Any) -> None:
        from etcd3gw import exceptions

        # It goes by itself later, and has gone where it had expired.
        with contextlib.suppress(AttributeError, exceptions.Etcd3Exception):
            lock._lease.revoke()


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
            self._lock = driver.get_lock(NAME.encode())._lock
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

    def _options(self) -> dict[str, str]:
        return {"timeout": str(self._settings.lease_duration)}

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

        lock = self._driver.get_lock(NAME.encode())
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


class MySQL(Service):
    """A lock of the server's that lasts as long as its connection."""

    expires = False

    def __init__(
        self, address: Address, holder: str, settings: Settings
    ) -> None:
        super().__init__(address, holder, settings)
        self._lock = self._driver.get_lock(NAME.encode())
        self._connection = self._lock._conn
        self._connection.connect_timeout = self._limit
        self._connection._read_timeout = self._limit
        self._connection._write_timeout = self._limit

    def _options(self) -> dict[str, str]:
        return {}

    def connect(self) -> None:
        self._connection.connect()
        self._connected = True

    def _take(self) -> bool:
        if not self._connection.open:
            self._connection.connect()
        # A try that fails ends the connection, so it is made only where it
        # can succeed.
        if self._one("SELECT IS_FREE_LOCK(%s)") != 1:
            return False
        return bool(self._lock.acquire(blocking=False))

    def prove(self) -> bool:
        import pymysql

        try:
            mine = self._one("SELECT IS_USED_LOCK(%s) = CONNECTION_ID()") == 1
        except pymysql.MySQLError:
            mine = False
        if not mine:
            self.disconnect()
        return mine

    def give_back(self) -> None:
        if self._lock.acquired:
            try:
                self._lock.release()
            finally:
                # Without the connection there is no lock either.
                self.disconnect()

    def disconnect(self) -> None:
        self._lock.acquired = False
        if self._connection.open:
            self._connection.close()

    def is_misconfigured(self, error: Exception) -> bool:
        cause = root_cause(error)
        return bool(cause.args) and cause.args[0] in _MYSQL_REFUSALS

    def _one(self, statement: str) -> object:
        with self._connection.cursor() as cursor:
            cursor.execute(statement, (NAME.encode(),))
            return cursor.fetchone()[0]


class PostgreSQL(Service):
    """A lock of the server's that lasts as long as its connection."""

    expires = False

    def _options(self) -> dict[str, str]:
        return {}

    def prove(self) -> bool:
        import psycopg2

        # The lock is the session's: it lives while the session does.
        try:
            with self._lock._conn.cursor() as cursor:
                cursor.execute("SELECT 1")
            self._lock._conn.rollback()
        except psycopg2.Error:
            self._lock.acquired = False
            return False
        return True

    def give_back(self) -> None:
        if self._lock is not None and self._lock.acquired:
            self._lock.release()

    def disconnect(self) -> None:
        if self._lock is not None:
            self._lock.acquired = False
            if self._lock._conn is not None:
                self._lock._conn.close()
        super().disconnect()


_SERVICES: dict[str, type[Service]] = {
    "file": File,
    "etcd": Etcd,
    "redis": Redis,
    "zookeeper": ZooKeeper,
    "mysql": MySQL,
    "postgresql": PostgreSQL,
    "memcached": Service,
    "kubernetes": Service,
}


def expires(address: Address) -> bool:
    """Whether the service's locks expire when their holder is silent."""
    return _SERVICES[address.service].expires


def make(address: Address, holder: str, settings: Settings) -> Service:
    """The service at an address; nobody is asked yet.

    :raises ConfigurationError: its library is not installed.
    """
    check_library(address)
    return _SERVICES[address.service](address, holder, settings)


def root_cause(error: BaseException) -> BaseException:
    """The error of the client beneath, which tooz wraps."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error
