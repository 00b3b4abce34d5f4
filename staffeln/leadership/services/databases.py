# SPDX-License-Identifier: Apache-2.0
"""The lock in MariaDB, MySQL or PostgreSQL."""

from __future__ import annotations

from staffeln.leadership.address import Address
from staffeln.leadership.services.base import Service, root_cause
from staffeln.leadership.settings import Settings

_MYSQL_REFUSALS = frozenset({1044, 1045, 1049, 1130, 1142, 1698})


class MySQL(Service):
    """A lock of the server's that lasts as long as its connection."""

    expires = False

    def __init__(
        self, address: Address, holder: str, settings: Settings
    ) -> None:
        super().__init__(address, holder, settings)
        self._lock = self._driver.get_lock(self.lock_name)
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
        try:
            mine = self._one("SELECT IS_USED_LOCK(%s) = CONNECTION_ID()") == 1
        except self._connection.Error:
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
            cursor.execute(statement, (self.lock_name,))
            return cursor.fetchone()[0]


class PostgreSQL(Service):
    """A lock of the server's that lasts as long as its connection."""

    expires = False

    def _options(self) -> dict[str, str]:
        return {}

    def prove(self) -> bool:
        # The lock is the session's: it lives while the session does.
        try:
            with self._lock._conn.cursor() as cursor:
                cursor.execute("SELECT 1")
            self._lock._conn.rollback()
        except self._lock._conn.Error:
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
