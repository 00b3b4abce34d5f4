# SPDX-License-Identifier: Apache-2.0
"""The one query of the check before a delete, and its own engine.

It answers or fails within two seconds whatever the database does: the wait
for a connection, a new connection and the statement each have their share.
"""

from __future__ import annotations

import contextlib
import select
import threading
import time
from typing import Any
from urllib import parse

import sqlalchemy as sa
from oslo_config import cfg
from sqlalchemy import exc

from staffeln.db import faults, rows, session
from staffeln.domain import errors, model, task

HEAD = "a4d18c6e2b97"
"""The revision that this release needs, without loading alembic."""

POOL_SIZE = 8
POOL_SHARE = 0.3
"""Seconds for a connection of the pool to become free."""
CONNECT_SHARE = 0.6
"""Seconds for a new connection, the name of its host looked up."""
ANSWER_SHARE = 0.7
"""Seconds for each answer of the database."""
RETRY_WITHIN = 0.2
"""Seconds in which a lost connection is found to be lost, to try anew."""
MOST_CONNECTING = 16
"""New connections at once, with those that nobody waits for any more."""

_VERSION = sa.table("alembic_version", sa.column("version_num", sa.String))
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


class SqlLookup:
    """Looks at one backup; used by many threads, connects when asked."""

    def __init__(
        self, configuration: cfg.ConfigOpts, pool_size: int = POOL_SIZE
    ) -> None:
        """Ask nothing yet.

        :param configuration: with group ``[database]``.
        :raises ConfigurationError: it cannot be a database.
        """
        group = configuration.database
        url = session.normalised(
            group.connection or "", group.connection_parameters
        )
        if url.get_backend_name() == "sqlite" and not url.database:
            raise errors.ConfigurationError(
                "[database] connection: an SQLite database needs a file"
            )
        self.engine = _engine(
            url,
            pool_size,
            group.connection_recycle_time,
            group.mysql_wsrep_sync_wait,
        )
        self._compiled = _statement().compile(dialect=self.engine.dialect)

    def look(self, backup_id: str, volume_id: str | None) -> model.Standing:
        """What the database says of a backup, and of itself.

        :raises StoreError: it does not say it.
        """
        began = time.monotonic()
        _Deadline.set(began + POOL_SHARE + CONNECT_SHARE + ANSWER_SHARE)
        asked = {
            "backup_id": backup_id,
            "slot": task.backup_slot(volume_id) if volume_id else "",
        }
        try:
            try:
                row = self._ask(asked)
            except exc.DBAPIError as error:
                lost = error.connection_invalidated
                if not lost or time.monotonic() - began > RETRY_WITHIN:
                    raise
                # The server was started anew since the last question.
                row = self._ask(asked)
        except (exc.SQLAlchemyError, OSError) as error:
            raise errors.StoreError(faults.in_one_line(error)) from error
        finally:
            _Deadline.set(None)
        return _standing(row)

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()

    def _ask(self, asked: dict[str, str]) -> sa.Row[Any] | None:
        with self.engine.connect() as connection:
            try:
                return connection.exec_driver_sql(
                    self._compiled.string, self._parameters(asked)
                ).first()
            except exc.DBAPIError:
                # Nobody knows what the next answer on it would be to.
                connection.invalidate()
                raise

    def _parameters(self, asked: dict[str, str]) -> Any:
        names = self._compiled.positiontup
        if names is None:
            return asked
        return tuple(asked[name] for name in names)


def _statement() -> sa.Select[Any]:
    """All that the check needs, in one statement, each part by an index."""
    one_row = rows.DEPLOYMENT.c.id == sa.literal_column("1")
    starting = rows.TASKS.c.state == _literal(task.State.STARTING)
    running = rows.TASKS.c.state == _literal(task.State.RUNNING)
    made = rows.BACKUPS.alias("made")
    has_row = sa.exists().where(made.c.id == rows.TASKS.c.backup_id)
    return sa.select(
        rows.DEPLOYMENT.c.uuid,
        rows.DEPLOYMENT.c.auth_url,
        rows.DEPLOYMENT.c.region,
        rows.DEPLOYMENT.c.block_storage_url,
        rows.DEPLOYMENT.c.user_id,
        sa.select(rows.TERM.c.term)
        .where(rows.TERM.c.id == sa.literal_column("1"))
        .scalar_subquery()
        .label("term"),
        sa.select(sa.func.min(_VERSION.c.version_num))
        .scalar_subquery()
        .label("oldest"),
        sa.select(sa.func.max(_VERSION.c.version_num))
        .scalar_subquery()
        .label("newest"),
        sa.select(rows.BACKUPS.c.state)
        .where(rows.BACKUPS.c.id == sa.bindparam("backup_id"))
        .scalar_subquery()
        .label("backup_state"),
        sa.exists()
        .where(
            rows.TASKS.c.slot == sa.bindparam("slot"),
            sa.or_(starting, sa.and_(running, ~has_row)),
        )
        .label("unsettled"),
    ).where(one_row)


def _literal(word: str) -> sa.ColumnElement[str]:
    """One of our own words, in the statement itself."""
    return sa.literal_column(f"'{word}'", sa.String)


def _standing(row: sa.Row[Any] | None) -> model.Standing:
    """:raises StoreError: the database is no whole deployment."""
    if row is None:
        raise errors.StoreError("the database has no deployment")
    if row.term is None:
        raise errors.StoreError("the database has no scheduler's term")
    identity = rows.identity_of(row)
    return model.Standing(
        deployment_uuid=row.uuid,
        # Without a user nobody knows whose backups are ours.
        identity=identity if row.user_id else None,
        schema_is_current=row.oldest == row.newest == HEAD,
        term=int(row.term),
        backup_state=_state(row.backup_state),
        unsettled_volume=bool(row.unsettled),
    )


def _state(word: str | None) -> model.BackupState | None:
    """:raises StoreError: a state that this release does not know."""
    if word is None:
        return None
    try:
        return model.BackupState(word)
    except ValueError:
        raise errors.StoreError(
            "the row of the backup is in a state that this release does not "
            "know"
        ) from None


# -- the engine ------------------------------------------------------------


class _Deadline:
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


def _engine(
    url: sa.URL, pool_size: int, recycle: int, sync_wait: int | None
) -> sa.Engine:
    """An engine whose every question is one trip to the database."""
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
            f"[database] connection {session.shown(url)}: "
            f"{faults.in_one_line(error)}"
        ) from error
    orders = [_LIMITS[engine.dialect.name]]
    if engine.dialect.name == "mysql" and sync_wait is not None:
        orders.append(f"SET SESSION wsrep_sync_wait = {int(sync_wait)}")
    if engine.dialect.driver == "psycopg2":
        _let_postgresql_wait_no_longer()
    room = threading.BoundedSemaphore(MOST_CONNECTING)

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
    _Deadline.set(time.monotonic() + CONNECT_SHARE)
    connection = dialect.loaded_dbapi.connect(*where, **how)
    try:
        cursor = connection.cursor()
        for order in orders:
            cursor.execute(order)
        cursor.close()
        # A rollback would undo it on PostgreSQL.
        connection.commit()
    except BaseException:
        connection.close()
        raise
    return connection


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
        left = _Deadline.left()
        if not poll.poll(None if left is None else left * 1000):
            raise OperationalError("timeout: the database does not answer")
