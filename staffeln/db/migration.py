# SPDX-License-Identifier: Apache-2.0
"""The schema: made, brought up to date, and checked."""

from __future__ import annotations

import dataclasses
import logging
import pathlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from alembic import command, config, script, util
from alembic.runtime import migration
from oslo_db import exception as oslo_exception
from sqlalchemy import exc

from staffeln.db import release_2x
from staffeln.db.faults import in_one_line
from staffeln.db.session import Database, begin_writing
from staffeln.domain import errors

LOG = logging.getLogger(__name__)

LONGEST_WAIT = 600
"""Seconds that a migration waits for another one, on MariaDB."""

_UPGRADE = "run staffeln-db-manage upgrade head"
_INSTALL_NEWER = "a newer release made it, and that is the one to install"


def create_schema(database: Database) -> None:
    """Make the schema in an empty database; the same as upgrade head.

    :raises SchemaError: the database is not empty.
    """
    with connected(database) as connection:
        found = State(connection)
        if found.tables:
            raise errors.SchemaError(
                "the database is not empty; to bring it up to date, "
                f"{_UPGRADE}"
            )
    upgrade(database)


def upgrade(
    database: Database,
    revision: str = "head",
    *,
    forced: bool = False,
    tell: Callable[[str], None] = LOG.info,
) -> None:
    """Bring the schema up to a revision, adopting an earlier release's.

    :param forced: adopt although old rows changed a moment ago.
    :param tell: gets a line for each thing worth knowing.
    :raises SchemaError: it cannot be done; says why.

    Of several that are started at once, as by the containers of several
    hosts, the others wait for the first and find nothing left to do.
    """
    with alone(database) as connection:
        settings = _settings()
        settings.attributes.update(connection=connection, tell=tell)
        found = State(connection)
        _refuse_unknown(found.revision)
        if found.old and not forced:
            release_2x.refuse_while_in_use(connection)
        try:
            command.upgrade(settings, revision)
        except util.CommandError as error:
            raise errors.SchemaError(
                f"cannot upgrade to {revision}: {error}"
            ) from error


def version(database: Database) -> str | None:
    """The revision of the schema; None where there is none."""
    with connected(database) as connection:
        return State(connection).revision


def head() -> str:
    """The revision that this release needs."""
    return str(
        script.ScriptDirectory.from_config(_settings()).get_current_head()
    )


def check(database: Database) -> None:
    """Make sure that the schema is the one that this release needs.

    :raises SchemaError: it is not; one line that says what to do.
    """
    with connected(database) as connection:
        found = State(connection)
        if found.revision == head() or _is_served(connection, found):
            return
    if found.old:
        raise errors.SchemaError(
            f"the database is that of an earlier release: {_UPGRADE}"
        )
    if found.revision is None and found.tables:
        # A crash in the middle of making it, on MariaDB.
        raise errors.SchemaError(
            f"the schema of the database is not complete: {_UPGRADE}"
        )
    if found.revision is None:
        raise errors.SchemaError(
            "the database has no schema: run staffeln-db-manage create_schema"
        )
    behind = found.revision in _known_revisions()
    raise errors.SchemaError(
        f"the schema of the database is {found.revision}, this release needs "
        f"{head()}: {_UPGRADE if behind else _INSTALL_NEWER}"
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Waiting:
    """A database that is not what this release needs, yet."""

    adopts: bool
    """It is that of an earlier release."""


def waiting(database: Database) -> Waiting | None:
    """What an upgrade would meet; None: there is nothing to upgrade."""
    with connected(database) as connection:
        found = State(connection)
    if found.revision == head():
        return None
    return Waiting(adopts=found.old)


def pending(revision: str | None) -> list[tuple[str, str]]:
    """What lies between a revision and the head, oldest first.

    :param revision: None: nothing is there yet.
    :returns: each revision with the first line of its description.
    :raises SchemaError: this release does not know the revision.
    """
    _refuse_unknown(revision)
    scripts = script.ScriptDirectory.from_config(_settings())
    found = list(scripts.iterate_revisions("head", revision or "base"))
    return [(each.revision, each.doc) for each in reversed(found)]


def _refuse_unknown(revision: str | None) -> None:
    """:raises SchemaError: this release does not know the revision."""
    if revision is not None and revision not in _known_revisions():
        raise errors.SchemaError(
            f"the schema of the database is {revision}: {_INSTALL_NEWER}"
        )


def _is_served(connection: sa.Connection, found: State) -> bool:
    """Whether a newer release lets this one go on beside it."""
    if found.revision is None or found.revision in _known_revisions():
        return False
    if "deployment" not in found.tables:
        return False
    columns = sa.inspect(connection).get_columns("deployment")
    if all(each["name"] != "serves" for each in columns):
        return False
    deployment = sa.table("deployment", sa.column("serves"))
    return connection.scalar(sa.select(deployment.c.serves)) == head()


def _known_revisions() -> set[str]:
    scripts = script.ScriptDirectory.from_config(_settings())
    return {each.revision for each in scripts.walk_revisions()}


class State:
    """What a database shows before anything is done to it.

    :raises SchemaError: it is the state of no database of ours.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self.tables = sa.inspect(connection).get_table_names()
        self.old = bool(release_2x.old_tables(connection))
        context = migration.MigrationContext.configure(connection)
        heads = context.get_current_heads()
        if len(heads) > 1:
            raise errors.SchemaError(
                "table alembic_version holds more than one revision: "
                f"{', '.join(sorted(heads))}"
            )
        self.revision = heads[0] if heads else None


def _settings() -> config.Config:
    settings = config.Config()
    where = pathlib.Path(__file__).parent / "alembic"
    settings.set_main_option("script_location", str(where).replace("%", "%%"))
    return settings


@contextmanager
def connected(database: Database) -> Iterator[sa.Connection]:
    """A connection whose errors are one line."""
    try:
        with database.engine.connect() as connection:
            yield connection
    except (oslo_exception.DBError, exc.SQLAlchemyError) as error:
        raise errors.StoreError(in_one_line(error)) from error


@contextmanager
def alone(database: Database) -> Iterator[sa.Connection]:
    """A transaction beside which no other migration runs; committed."""
    with connected(database) as connection:
        try:
            with begin_writing(connection):
                lock = _LOCK.get(connection.dialect.name)
                if lock is not None and connection.scalar(lock) == 0:
                    raise errors.SchemaError(
                        "another migration of this database is still at work"
                    )
                yield connection
        finally:
            # MariaDB keeps the lock as long as the connection is open.
            connection.invalidate()


_LOCK = {
    "mysql": sa.text(
        "SELECT GET_LOCK(CONCAT('staffeln-', MD5(DATABASE())), "
        f"{LONGEST_WAIT})"
    ),
    # For this database, until the end of the transaction.
    "postgresql": sa.text("SELECT pg_advisory_xact_lock(8641720995)"),
}
