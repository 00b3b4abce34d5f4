# SPDX-License-Identifier: Apache-2.0
"""What somebody wants to know of a database who looks for faults."""

from __future__ import annotations

import dataclasses

import sqlalchemy as sa

from staffeln.db import models
from staffeln.db.session import Database
from staffeln.domain import errors


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Galera:
    """A cluster, as one of its nodes tells it."""

    nodes: int
    sync_wait: int
    """``wsrep_sync_wait`` of our own connection."""


def server(database: Database) -> str:
    """Which database answers, and its version."""
    dialect = database.engine.dialect
    with database.engine.connect():
        version = dialect.server_version_info or ()
    name = {"mysql": "MySQL", "postgresql": "PostgreSQL", "sqlite": "SQLite"}
    shown = name.get(dialect.name, dialect.name)
    if getattr(dialect, "is_mariadb", False):
        shown = "MariaDB"
    numbers = ".".join(str(each) for each in version if isinstance(each, int))
    return f"{shown} {numbers}".strip()


RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE")
"""What conductors need on each table."""


def missing_rights(database: Database) -> list[str]:
    """Tables of which we may not read and write rows, with the rights.

    On a server each is tried with a statement that concerns no row. An
    SQLite file has no rights but its own.

    :raises StoreError: the database does not answer.
    """
    if database.engine.dialect.name == "sqlite":
        return []
    found = {}
    for table in models.Base.metadata.sorted_tables:
        refused = [
            right
            for right in RIGHTS
            if not _may(database, _idle(table, right))
        ]
        if refused:
            found[table.name] = ", ".join(refused)
    return [f"{rights} on {name}" for name, rights in found.items()]


def _idle(table: sa.Table, right: str) -> sa.Executable:
    """A statement that needs a right, and does nothing with it."""
    no_row = sa.false()
    column = next(iter(table.columns))
    if right == "SELECT":
        return sa.select(column).where(no_row)
    if right == "INSERT":
        none = sa.select(table).where(no_row)
        return sa.insert(table).from_select(list(table.columns), none)
    if right == "UPDATE":
        return sa.update(table).where(no_row).values({column: column})
    return sa.delete(table).where(no_row)


def _may(database: Database, statement: sa.Executable) -> bool:
    try:
        database.read(lambda connection: connection.execute(statement))
    except errors.StoreRefusedError:
        return False
    return True


def galera(database: Database) -> Galera | None:
    """The cluster of which it is a node; None: it is in none."""
    if database.engine.dialect.name != "mysql":
        return None
    return database.read(_galera)


def _galera(connection: sa.Connection) -> Galera | None:
    # SHOW and not SELECT @@: a server without the library knows neither.
    variables = _shown(connection, "VARIABLES")
    if variables.get("wsrep_on", "OFF").upper() not in ("ON", "1"):
        return None
    return Galera(
        nodes=int(_shown(connection, "STATUS").get("wsrep_cluster_size", 0)),
        sync_wait=int(variables.get("wsrep_sync_wait", 0)),
    )


def _shown(connection: sa.Connection, what: str) -> dict[str, str]:
    # Of two words of ours, none of anybody's.
    query = f"SHOW SESSION {what} WHERE Variable_name LIKE 'wsrep_%%'"
    rows = connection.exec_driver_sql(query)
    return {str(name): str(value) for name, value in rows}
