# SPDX-License-Identifier: Apache-2.0
"""Databases of release 2.x: from the samples, at any of its revisions."""

from __future__ import annotations

import datetime
import pathlib
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

SAMPLES = pathlib.Path(__file__).parents[2] / "data" / "existing-deployment"

REVISIONS = ("041d9a0f1159", "ebdbed01e9a7", "2b2b9df199bd", "5b2e78435231")
"""In their order."""

EMPTY = ""
"""For ``stamp``: alembic_version is there and holds nothing."""

Rows = Mapping[str, list[dict[str, Any]]]


def sample_rows() -> dict[str, list[dict[str, Any]]]:
    """The rows of the sample at the last revision of 2.x."""
    found = {}
    connection = sqlite3.connect(
        f"file:{SAMPLES}/head.sqlite?mode=ro&immutable=1", uri=True
    )
    connection.row_factory = sqlite3.Row
    for name in ("backup_data", "queue_data", "report_timestamp"):
        rows = connection.execute(f"SELECT * FROM {name} ORDER BY id")
        found[name] = [_typed(dict(row)) for row in rows]
    connection.close()
    return found


def _typed(row: dict[str, Any]) -> dict[str, Any]:
    for name, value in row.items():
        if name in ("created_at", "updated_at") and value is not None:
            row[name] = datetime.datetime.fromisoformat(value)
        if name == "incremental" and value is not None:
            row[name] = bool(value)
    return row


def make(
    engine: sa.Engine,
    rows: Rows,
    revision: str = REVISIONS[-1],
    stamp: str | None = None,
) -> None:
    """Make the tables as they were at a revision, with these rows.

    :param stamp: what alembic_version holds; None: it is not there.
    """
    tables = _tables(REVISIONS.index(revision))
    tables.create_all(engine)
    with engine.begin() as connection:
        for table in tables.sorted_tables:
            if table.name == "alembic_version":
                continue
            added = [
                {name: value for name, value in row.items() if name in table.c}
                for row in rows.get(table.name, ())
            ]
            if added:
                connection.execute(sa.insert(table), added)
        if stamp is None:
            connection.execute(sa.text("DROP TABLE alembic_version"))
        elif stamp:
            connection.execute(
                sa.text("INSERT INTO alembic_version VALUES (:it)"),
                {"it": stamp},
            )


def _tables(age: int) -> sa.MetaData:
    """:param age: how many revisions came after the first."""
    tables = sa.MetaData()

    def ids(*names: str) -> list[sa.Column[Any]]:
        return [sa.Column(name, sa.String(100)) for name in names]

    def common() -> list[sa.Column[Any]]:
        return [
            sa.Column("created_at", sa.DateTime()),
            sa.Column("updated_at", sa.DateTime()),
            sa.Column("id", sa.Integer(), primary_key=True),
        ]

    def since(revision: int, *columns: sa.Column[Any]) -> Iterable[Any]:
        return columns if age >= revision else ()

    sa.Table(
        "backup_data",
        tables,
        *common(),
        *ids("backup_id", "project_id", "volume_id", "instance_id"),
        sa.Column("backup_completed", sa.Integer()),
        *since(1, sa.Column("incremental", sa.Boolean())),
        sa.UniqueConstraint("backup_id", name="unique_backup0uuid"),
    )
    sa.Table(
        "queue_data",
        tables,
        *common(),
        *ids("backup_id", "project_id", "volume_id", "instance_id"),
        sa.Column("backup_status", sa.Integer()),
        *ids("volume_name", "instance_name"),
        *since(1, sa.Column("incremental", sa.Boolean())),
        *since(2, sa.Column("reason", sa.String(255))),
    )
    if age >= 3:
        sa.Table(
            "report_timestamp",
            tables,
            sa.Column("id", sa.String(36), primary_key=True),
            *common()[:2],
            sa.Column("sender", sa.String(255)),
        )
    sa.Table(
        "alembic_version",
        tables,
        sa.Column("version_num", sa.String(32), primary_key=True),
    )
    return tables
