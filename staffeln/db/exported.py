# SPDX-License-Identifier: Apache-2.0
"""What an export wrote into the tables of release 2.x, to know it again.

Its rows keep the times of ours, which may be of a moment ago. Who upgrades
at once would be told that a conductor of 2.x is at work; a fingerprint of
each table tells whether anybody has written there since the export.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection

import sqlalchemy as sa

TABLE = sa.Table(
    "kept_3x_export",
    sa.MetaData(),
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("fingerprint", sa.String(64), nullable=False),
    mysql_engine="InnoDB",
    mysql_charset="utf8mb4",
)


def make(connection: sa.Connection) -> None:
    """Make the table; one of an export before may be there."""
    TABLE.create(connection, checkfirst=True)


def note(connection: sa.Connection, names: Collection[str]) -> None:
    """Note the tables as they are now, in place of an export before."""
    connection.execute(sa.delete(TABLE))
    for name in names:
        connection.execute(
            sa.insert(TABLE).values(
                name=name, fingerprint=_fingerprint(connection, name)
            )
        )


def untouched(
    connection: sa.Connection, names: Collection[str]
) -> frozenset[str]:
    """Those in which every row is as the last export wrote it."""
    if not sa.inspect(connection).has_table(TABLE.name):
        return frozenset()
    noted = {
        row.name: row.fingerprint
        for row in connection.execute(sa.select(TABLE))
    }
    return frozenset(
        name
        for name in names
        if name in noted and noted[name] == _fingerprint(connection, name)
    )


def _fingerprint(connection: sa.Connection, name: str) -> str:
    """Of all rows and columns, as the driver has them."""
    found = hashlib.sha256()
    table = sa.table(name, sa.column("id"))
    for row in connection.execute(
        sa.select(sa.text("*")).select_from(table).order_by(table.c.id)
    ):
        found.update(repr(tuple(row)).encode())
    return found.hexdigest()
