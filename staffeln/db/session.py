# SPDX-License-Identifier: Apache-2.0
"""Transactions: begun, committed, and run again where that is safe.

The engine is oslo.db's. A transaction that the database gave up (a
deadlock, a lost serialisation, a busy file) is run again as a whole; so it
must do nothing but talk to the database.
"""

from __future__ import annotations

import datetime
import logging
import pathlib
import random
import time
import warnings
from collections.abc import Callable
from typing import TypeVar

import sqlalchemy as sa
from oslo_config import cfg
from oslo_db import exception as oslo_exception
from oslo_db.sqlalchemy import enginefacade, exc_filters
from sqlalchemy import exc

from staffeln.db import (
    drivers,
    faults,
    limits,
    options,
    replaced,
    times,
    urls,
)
from staffeln.domain import errors

LOG = logging.getLogger(__name__)

T = TypeVar("T")

MOST_TRIES = 12
FIRST_PAUSE = 0.02
LONGEST_PAUSE = 2.0
"""Seconds between two tries of a transaction; doubled, with jitter."""
PATIENCE = 60.0
"""Seconds after which no further try begins."""

SQLITE_BUSY_TIMEOUT = 30_000
"""Milliseconds that SQLite waits for another writer."""

SQLITE_NOW = "staffeln_now"
"""The function of SQL that tells the time in a database on one host."""


class OutrunError(errors.StoreError):
    """Each time that a transaction was tried another one was faster."""


class Database:
    """One engine and its transactions; used by many threads."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine

    def read(self, work: Callable[[sa.Connection], T]) -> T:
        """Run a transaction that only reads."""
        return self._run(sa.Connection.begin, work, lost_commit_matters=False)

    def write(self, work: Callable[[sa.Connection], T]) -> T:
        """Run a transaction that writes; on SQLite nobody else writes."""
        return self._run(begin_writing, work, lost_commit_matters=True)

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()

    def _run(
        self,
        begin: Callable[[sa.Connection], sa.RootTransaction],
        work: Callable[[sa.Connection], T],
        *,
        lost_commit_matters: bool,
    ) -> T:
        """:raises StoreError: the database's error, in one line."""
        pause = FIRST_PAUSE
        last_begin = time.monotonic() + PATIENCE
        for number in range(1, MOST_TRIES + 1):
            try:
                return _once(self.engine, begin, work)
            except _CommitLostError as lost:
                if lost_commit_matters or _is_last(number, last_begin):
                    raise errors.StoreError(
                        f"the database went away during a commit: {lost}"
                    ) from lost
            except oslo_exception.DBInvalidUnicodeParameter as error:
                raise errors.StoreRefusedError(
                    "a text has half a character, which no database takes"
                ) from error
            except (oslo_exception.DBError, exc.SQLAlchemyError) as error:
                if _is_last(number, last_begin) or not faults.may_run_again(
                    error
                ):
                    kind = _kind_of(error)
                    raise kind(
                        f"the database: {faults.in_one_line(error)}"
                    ) from error
                LOG.debug(
                    "Transaction is run again: %s", faults.in_one_line(error)
                )
            time.sleep(pause * random.uniform(0.5, 1))  # nosec
            pause = min(pause * 2, LONGEST_PAUSE)
        raise AssertionError("unreachable")


def _is_last(number: int, last_begin: float) -> bool:
    """Whether there is no try after this one."""
    return number == MOST_TRIES or time.monotonic() > last_begin


def _kind_of(error: Exception) -> type[errors.StoreError]:
    """What it means that a transaction failed, and is not run again."""
    if faults.is_outrun(error):
        return OutrunError
    if faults.may_run_again(error) or isinstance(error, exc.TimeoutError):
        return errors.StoreError
    return errors.StoreRefusedError


class _CommitLostError(Exception):
    """The database was lost during a commit: written or not, who knows."""


def _once(
    engine: sa.Engine,
    begin: Callable[[sa.Connection], sa.RootTransaction],
    work: Callable[[sa.Connection], T],
) -> T:
    with engine.connect() as connection:
        transaction = begin(connection)
        try:
            result = work(connection)
        except BaseException:
            _roll_back(transaction)
            raise
        try:
            transaction.commit()
        except (oslo_exception.DBError, exc.SQLAlchemyError) as error:
            if (
                isinstance(error, oslo_exception.DBConnectionError)
                or faults.number(error) == faults.COMMIT_FAILED
            ):
                raise _CommitLostError(faults.in_one_line(error)) from error
            raise
        return result


def begin_writing(connection: sa.Connection) -> sa.RootTransaction:
    """Begin a transaction; on SQLite as the one writer, from the first.

    With a plain BEGIN two transactions that read and then write refuse
    each other at once, whatever the patience. oslo.db sends that BEGIN
    itself unless its mark says that a transaction is begun.
    """
    if connection.dialect.name != "sqlite":
        return connection.begin()
    connection.info["in_transaction"] = True
    transaction = connection.begin()
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    return transaction


def _roll_back(transaction: sa.RootTransaction) -> None:
    try:
        transaction.rollback()
    except (oslo_exception.DBError, exc.SQLAlchemyError) as error:
        LOG.debug("Rollback failed: %s", faults.in_one_line(error))


# -- engines ---------------------------------------------------------------


def connect(
    conf: cfg.ConfigOpts, *, create: bool = False, touch: bool = True
) -> Database:
    """Make the engine that group ``[database]`` describes.

    :param create: for commands that put a schema into it: an SQLite file
        that is not there is made, and neither a server's silence nor ours
        in a transaction is limited.
    :param touch: False leaves an SQLite file in the mode that it is in,
        for those who only look at one of an earlier release.
    :raises ConfigurationError: the URL is none, or its driver is missing.
    :raises StoreError: the database does not answer.
    :raises SchemaError: an SQLite file that is not there.
    """
    group = conf.database
    url = urls.normalised(group.connection or "", group.connection_parameters)
    if url.get_backend_name() == "sqlite":
        urls.check_sqlite_file(url, create=create)
    drivers.check(url)
    if not create:
        url = limits.with_silence(url)
    # What they say are tracebacks of errors that are told in one line here.
    logging.getLogger(exc_filters.__name__).setLevel(logging.ERROR)
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
    facade = enginefacade.transaction_context()
    values = {
        "sqlite_fk": True,
        "sqlite_synchronous": True,
        "max_retries": 0,
        **{name: getattr(group, name) for name in options.ENGINE_OPTIONS},
    }
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            facade.configure(
                connection=url.render_as_string(hide_password=False),
                **values,
            )
            engine: sa.Engine = facade.writer.get_engine()
    except (ImportError, exc.ArgumentError) as error:
        raise errors.ConfigurationError(
            f"[database] connection {urls.shown(url)}: "
            f"{faults.in_one_line(error)}"
        ) from error
    except (oslo_exception.DBError, exc.SQLAlchemyError) as error:
        raise _unreachable(url, error) from error
    if engine.dialect.name == "sqlite":
        replaced.leave_replaced_file(engine)
        _prepare_sqlite(engine, touch=touch)
    elif engine.dialect.name == "mysql":
        _leave_unready_nodes(engine)
        times.quicken(engine)
    if not create:
        limits.end_idle_transactions(engine)
    try:
        with engine.connect():
            pass
    except (TypeError, ValueError) as error:
        # The driver does not know an option that the URL gives.
        engine.dispose()
        raise errors.ConfigurationError(
            f"[database] connection {urls.shown(url)}: "
            f"{faults.in_one_line(error)}"
        ) from error
    except (oslo_exception.DBError, exc.SQLAlchemyError) as error:
        engine.dispose()
        raise _unreachable(url, error) from error
    return Database(engine)


def _unreachable(url: sa.URL, error: Exception) -> errors.StoreError:
    return errors.StoreError(
        f"the database {urls.shown(url)} cannot be reached: "
        f"{faults.in_one_line(error)}"
    )


def _leave_unready_nodes(engine: sa.Engine) -> None:
    """Connect anew where a Galera node is not ready: another may answer."""

    def look(context: sa.ExceptionContext) -> None:
        original = context.original_exception
        if getattr(original, "args", ())[:1] == (faults.NOT_READY,):
            context.is_disconnect = True

    # Before oslo.db's, which raises and so is the last one.
    sa.event.listen(engine, "handle_error", look, insert=True)


def scratch(folder: pathlib.Path) -> Database:
    """A database in a folder of its own that nobody else uses."""
    engine = sa.create_engine(f"sqlite:///{folder}/scratch.sqlite")
    _prepare_sqlite(engine)
    do_not_wait_for_disk(engine)
    return Database(engine)


def do_not_wait_for_disk(engine: sa.Engine) -> None:
    """For an SQLite file that need not outlive a loss of power."""

    @sa.event.listens_for(engine, "connect")
    def _connected(connection: object, _record: object) -> None:
        connection.execute("PRAGMA synchronous = OFF")  # type: ignore[attr-defined]


def _prepare_sqlite(engine: sa.Engine, *, touch: bool = True) -> None:
    """Write-ahead log, and patience with other writers."""

    @sa.event.listens_for(engine, "connect")
    def _connected(connection: object, _record: object) -> None:
        cursor = connection.cursor()  # type: ignore[attr-defined]
        cursor.execute(f"PRAGMA busy_timeout = {SQLITE_BUSY_TIMEOUT}")
        if touch:
            cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.close()
        # SQLite's own clock knows no more than milliseconds.
        connection.create_function(SQLITE_NOW, 0, _utc_now)  # type: ignore[attr-defined]


def _utc_now() -> str:
    now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    return now.isoformat(" ", "microseconds")
