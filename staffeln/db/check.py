# SPDX-License-Identifier: Apache-2.0
"""The one query of the check before a delete.

It names the few columns that it reads by itself: with the models all of
SQLAlchemy's ORM would be in the memory of each worker. And it talks to the
driver's own cursor: what SQLAlchemy does around a statement takes longer
than the statement.
"""

from __future__ import annotations

import datetime
import functools
import time
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from oslo_config import cfg
from sqlalchemy import exc

from staffeln.db import faults, fuse, prompt, urls, watchdog
from staffeln.domain import checking, errors, model, task

HEAD = "b92c6e1d40f7"
"""The revision that this release needs, without loading alembic."""

POOL_SIZE = 8
LARGEST_POOL = 64
"""Connections of a process; more threads than these wait their turn."""
NO_TERM = -1
"""The number of no term."""
RETRY_WITHIN = 0.2
"""Seconds in which a lost connection is found to be lost, to try anew."""


def _table(name: str, *columns: str) -> sa.TableClause:
    return sa.table(name, *(sa.column(each, sa.String) for each in columns))


VERSION = _table("alembic_version", "version_num")
DEPLOYMENT = _table(
    "deployment", "id", "uuid", "auth_url", "user_id", "serves"
)
TERM = _table("scheduler_term", "id", "term", "seq")
TERMS = _table("scheduler_terms", "term", "conductor_id", "began_at")
BACKUPS = _table("backups", "id", "state")
TASKS = _table("tasks", "slot", "state", "backup_id")

Row = Sequence[Any]
"""As the driver has it."""


class _LostError(errors.StoreError):
    """The connection did not outlive its rest in the pool."""


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
        url = urls.normalised(
            group.connection or "", group.connection_parameters
        )
        if url.get_backend_name() == "sqlite" and not url.database:
            raise errors.ConfigurationError(
                "[database] connection: an SQLite database needs a file"
            )
        self.engine = prompt.engine_of(
            url,
            pool_size,
            group.connection_recycle_time,
            group.mysql_wsrep_sync_wait,
        )
        self._pool_size = pool_size
        self._fuse = fuse.Fuse()
        self._dbapi = self.engine.dialect.loaded_dbapi
        self._compiled = _statement().compile(dialect=self.engine.dialect)

    def look(
        self,
        backup_id: str,
        volume_id: str | None,
        known_term: int | None = None,
    ) -> checking.Standing:
        """What the database says of a backup, and of itself.

        :param known_term: an earlier term, of which it is asked as well.
        :raises StoreError: it does not say it.
        """
        asked = self._parameters(
            {
                "backup_id": backup_id,
                "slot": task.backup_slot(volume_id) if volume_id else "",
                "known_term": NO_TERM if known_term is None else known_term,
            }
        )
        began = time.monotonic()
        prompt.Deadline.set(began + prompt.LONGEST)
        try:
            with self._fuse.question():
                row = self._ask_patiently(asked, began + RETRY_WITHIN)
        except errors.StoreError:
            raise
        except (self._dbapi.Error, exc.SQLAlchemyError, OSError) as error:
            raise errors.StoreError(faults.in_one_line(error)) from error
        except Exception as error:
            # Drivers raise anything at an answer that is none.
            raise errors.StoreError(
                f"the answer cannot be read: {type(error).__name__}"
            ) from error
        finally:
            prompt.Deadline.set(None)
        return _standing(row, known_term)

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()

    def _ask_patiently(self, asked: Any, until: float) -> Row | None:
        """Ask once more for each connection that turns out to be lost.

        All of the pool are, where the server was started anew since the
        last question.
        """
        for _ in range(self._pool_size):
            try:
                return self._ask(asked)
            except _LostError:
                if time.monotonic() > until:
                    raise
        return self._ask(asked)

    def _ask(self, asked: Any) -> Row | None:
        """:raises _LostError: the connection did not outlive its rest."""
        dialect = self.engine.dialect
        connection = self.engine.raw_connection()
        try:
            with prompt.WATCHDOG.limit(
                prompt.ANSWER_SHARE,
                functools.partial(
                    watchdog.socket_of, connection.driver_connection
                ),
            ):
                cursor = connection.cursor()
                dialect.do_execute(cursor, self._compiled.string, asked)
                row: Row | None = cursor.fetchone()
                cursor.close()
        except self._dbapi.Error as error:
            lost = dialect.is_disconnect(
                error, connection.dbapi_connection, None
            )
            # Nobody knows what the next answer on it would be to.
            connection.invalidate()
            if lost:
                raise _LostError(faults.in_one_line(error)) from error
            raise
        except BaseException:
            connection.invalidate()
            raise
        connection.close()
        return row

    def _parameters(self, asked: dict[str, str | int]) -> Any:
        names = self._compiled.positiontup
        if names is None:
            return asked
        return tuple(asked[name] for name in names)


def _statement() -> sa.Select[Any]:
    """All that the check needs, in one statement, each part by a key.

    In as few columns as say it: the driver reads a description of each.
    """
    one_row: sa.ColumnElement[int] = sa.literal_column("1")
    head = _literal(HEAD)
    starting = TASKS.c.state == _literal(task.State.STARTING)
    running = TASKS.c.state == _literal(task.State.RUNNING)
    made = BACKUPS.alias("made")
    present, known = TERMS.alias("present"), TERMS.alias("known")
    return (
        sa.select(
            DEPLOYMENT.c.uuid,
            # Without a user nobody knows whose backups are ours.
            sa.case(
                (
                    sa.and_(
                        DEPLOYMENT.c.auth_url.is_not(None),
                        DEPLOYMENT.c.user_id != _literal(""),
                    ),
                    DEPLOYMENT.c.user_id,
                )
            ),
            # That of this release, or a newer one's that serves it as well.
            sa.or_(
                sa.select(
                    sa.and_(
                        sa.func.min(VERSION.c.version_num) == head,
                        sa.func.max(VERSION.c.version_num) == head,
                    )
                ).scalar_subquery(),
                sa.and_(
                    DEPLOYMENT.c.serves.is_not(None),
                    DEPLOYMENT.c.serves == head,
                ),
            ),
            TERM.c.term,
            TERM.c.seq,
            present.c.conductor_id,
            present.c.began_at,
            known.c.conductor_id,
            known.c.began_at,
            BACKUPS.c.state,
            sa.or_(starting, sa.and_(running, made.c.id.is_(None))),
        )
        .select_from(
            DEPLOYMENT.outerjoin(TERM, TERM.c.id == one_row)
            .outerjoin(present, present.c.term == TERM.c.term)
            .outerjoin(known, known.c.term == _number("known_term"))
            .outerjoin(BACKUPS, BACKUPS.c.id == sa.bindparam("backup_id"))
            .outerjoin(TASKS, TASKS.c.slot == sa.bindparam("slot"))
            .outerjoin(made, made.c.id == TASKS.c.backup_id)
        )
        .where(DEPLOYMENT.c.id == one_row)
    )


def _number(name: str) -> sa.BindParameter[int]:
    return sa.bindparam(name, type_=sa.BigInteger)


def _literal(word: str) -> sa.ColumnElement[str]:
    """One of our own words, in the statement itself."""
    return sa.literal_column(f"'{word}'", sa.String)


def _standing(row: Row | None, known_term: int | None) -> checking.Standing:
    """:raises StoreError: the database is no whole deployment."""
    if row is None:
        raise errors.StoreError("the database has no deployment")
    uuid, service_user, is_current, term, seq = row[:5]
    state, unsettled = row[9:]
    if term is None:
        raise errors.StoreError("the database has no scheduler's term")
    return checking.Standing(
        deployment_uuid=uuid,
        service_user=service_user,
        schema_is_current=bool(is_current),
        age=checking.Age(
            term=int(term),
            seq=int(seq),
            holder=_holder(*row[5:7]),
            known_term=known_term,
            known_holder=_holder(*row[7:9]),
        ),
        backup_state=_state(state),
        unsettled_volume=bool(unsettled),
    )


def _holder(conductor_id: str | None, began_at: Any) -> str:
    """Who took a term, and when, whatever the driver makes of times."""
    if conductor_id is None:
        return ""
    if isinstance(began_at, str):
        began_at = datetime.datetime.fromisoformat(began_at)
    return f"{conductor_id} {began_at.isoformat()}"


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
