# SPDX-License-Identifier: Apache-2.0
"""What somebody wants to know of a database who looks for faults."""

from __future__ import annotations

import dataclasses

import sqlalchemy as sa

from staffeln.db.session import Database


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
