# SPDX-License-Identifier: Apache-2.0
"""An engine for questions that are answered in time or not at all.

The wait for a connection, a new connection and the statement each have
their share of two seconds, whatever the database does.
"""

from __future__ import annotations

import contextlib
import functools
import select
import threading
import time
from typing import Any
from urllib import parse

import sqlalchemy as sa
from sqlalchemy import exc

from staffeln.db import faults, replaced, urls, watchdog
from staffeln.domain import errors

POOL_SHARE = 0.3
"""Seconds for a connection of the pool to become free."""
CONNECT_SHARE = 0.6
"""Seconds for a new connection, the name of its host looked up."""
ANSWER_SHARE = 0.7
"""Seconds for each answer of the database."""
LONGEST = POOL_SHARE + CONNECT_SHARE + ANSWER_SHARE
"""Seconds of one question, all in all."""
MOST_CONNECTING = 16
"""New connections at once, with those that nobody waits for any more; or
twice as many as the pool has, where that is more."""
WATCHDOG = watchdog.Watchdog()
"""Ends what a driver would wait for."""

_LIMITS = {
    # What follows the M! is read by MariaDB only.
    "mysql": (
        "SET @staffeln_limit = 1 "
        f"/*M!100101 , SESSION max_statement_time = {ANSWER_SHARE} */"
    ),
    "postgresql": f"SET statement_timeout = {int(ANSWER_SHARE * 1000)}",
    "sqlite": "PRAGMA query_only = 1",
}

_MANNERS: dict[str, dict[str, Any]] = {
    "pymysql": {
        "connect_timeout": CONNECT_SHARE,
        "read_timeout": ANSWER_SHARE,
        "write_timeout": ANSWER_SHARE,
    },
    "psycopg2": {"tcp_user_timeout": int(ANSWER_SHARE * 1000)},
    "pysqlite": {
        "uri": True,
        "timeout": ANSWER_SHARE,
        "check_same_thread": False,
    },
}
"""What the drivers are told, whatever the URL says."""


class Deadline:
    """Until when this thread's question has to be answered."""

    _of = threading.local()

    @classmethod
    def set(cls, at: float | None) -> None:
        cls._of.at = at

    @classmethod
    def left(cls) -> float | None:
        """Seconds; None: there is no limit in this thread."""
        at: float | None = getattr(cls._of, "at", None)
        return None if at is None else max(at - time.monotonic(), 0.0)


def engine_of(
    url: sa.URL, pool_size: int, recycle: int, sync_wait: int | None
) -> sa.Engine:
    """An engine whose every question is one trip to the database.

    :param recycle: seconds after which a connection is made anew.
    :param sync_wait: what a Galera node waits for; None: as it is set.
    :raises ConfigurationError: the driver is missing.
    """
    try:
        engine = sa.create_engine(
            url,
            isolation_level="AUTOCOMMIT",
            poolclass=sa.pool.QueuePool,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=POOL_SHARE,
            pool_recycle=recycle,
            pool_reset_on_return=None,
            pool_use_lifo=True,
        )
    except (ImportError, exc.ArgumentError) as error:
        raise errors.ConfigurationError(
            f"[database] connection {urls.shown(url)}: "
            f"{faults.in_one_line(error)}"
        ) from error
    if engine.dialect.name == "sqlite":
        replaced.leave_replaced_file(engine)
    orders = [_LIMITS[engine.dialect.name]]
    if engine.dialect.name == "mysql" and sync_wait is not None:
        orders.append(f"SET SESSION wsrep_sync_wait = {int(sync_wait)}")
    if engine.dialect.driver == "psycopg2":
        _let_postgresql_wait_no_longer()
    room = threading.BoundedSemaphore(max(MOST_CONNECTING, 2 * pool_size))

    @sa.event.listens_for(engine, "do_connect")
    def _connect(
        dialect: Any, _record: object, where: list[Any], how: dict[str, Any]
    ) -> Any:
        if dialect.name == "sqlite":
            # Never a new empty file where the database should be.
            where = [f"file:{parse.quote(str(where[0]))}?mode=rw"]
        found = {**how, **_MANNERS.get(dialect.driver, {})}

        def connect() -> Any:
            return _connected(dialect, where, found, orders)

        return _Attempt(connect, room, dialect.loaded_dbapi).result()

    return engine


def _connected(
    dialect: Any, where: list[Any], how: dict[str, Any], orders: list[str]
) -> Any:
    """A connection that obeys its limits; closed where it would not."""
    Deadline.set(time.monotonic() + CONNECT_SHARE)
    is_late = dialect.driver == "pymysql"
    if is_late:
        # So that there is a socket to be ended during the handshake.
        how = {**how, "defer_connect": True}
    connection = dialect.loaded_dbapi.connect(*where, **how)
    limit = WATCHDOG.limit(
        CONNECT_SHARE, functools.partial(watchdog.socket_of, connection)
    )
    try:
        with limit:
            if is_late:
                connection.connect()
            _order(connection, orders)
    except BaseException:
        with contextlib.suppress(dialect.loaded_dbapi.Error):
            connection.close()
        raise
    return connection


def _order(connection: Any, orders: list[str]) -> None:
    cursor = connection.cursor()
    for order in orders:
        cursor.execute(order)
    cursor.close()
    # A rollback would undo it on PostgreSQL.
    connection.commit()


class _Attempt:
    """A new connection that is waited for no longer than its share.

    In a thread of its own: names of hosts are looked up without any limit
    that a program could set.
    """

    def __init__(
        self, connect: Any, room: threading.BoundedSemaphore, dbapi: Any
    ) -> None:
        self._connect = connect
        self._room = room
        self._error = dbapi.OperationalError
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._given_up = False
        self._connection: Any = None
        self._failure: Exception | None = None

    def result(self) -> Any:
        """The connection.

        :raises Exception: the driver's error.
        """
        if not self._room.acquire(blocking=False):
            raise self._error("too many connections are being made")
        try:
            threading.Thread(target=self._run, daemon=True).start()
        except RuntimeError as error:
            self._room.release()
            raise self._error(f"no thread to connect: {error}") from error
        self._done.wait(CONNECT_SHARE)
        with self._lock:
            if not self._done.is_set():
                self._given_up = True
                raise self._error("timeout while connecting")
        if self._failure is not None:
            raise self._failure
        return self._connection

    def _run(self) -> None:
        try:
            connection = self._connect()
        except Exception as error:  # noqa: BLE001  told where it is awaited
            self._failure = error
        else:
            with self._lock:
                if not self._given_up:
                    self._connection = connection
                    self._done.set()
            if self._given_up:
                with contextlib.suppress(Exception):
                    connection.close()
        finally:
            self._done.set()
            self._room.release()


def _let_postgresql_wait_no_longer() -> None:
    """Give up what a thread with a deadline waits for.

    The driver itself waits for ever for a server that stands still.
    """
    from psycopg2 import extensions

    extensions.set_wait_callback(_wait)


def _wait(connection: Any) -> None:
    from psycopg2 import OperationalError, extensions

    flags = {
        extensions.POLL_READ: select.POLLIN,
        extensions.POLL_WRITE: select.POLLOUT,
    }
    while (state := connection.poll()) != extensions.POLL_OK:
        poll = select.poll()
        poll.register(connection.fileno(), flags[state])
        left = Deadline.left()
        if not poll.poll(None if left is None else left * 1000):
            raise OperationalError("timeout: the database does not answer")
