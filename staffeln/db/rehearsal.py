# SPDX-License-Identifier: Apache-2.0
"""What an upgrade would do, tried on a copy; nothing is written.

The rows of an earlier release are copied into a file of this host, and the
very migration that would adopt them runs there.
"""

from __future__ import annotations

import pathlib
import tempfile
from collections import Counter
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from staffeln.db import migration, release_2x, rows, session
from staffeln.db.adoption import Tell
from staffeln.db.session import Database

_AT_ONCE = 1000
_TYPES: Mapping[str, sa.types.TypeEngine[Any]] = {
    "created_at": sa.DateTime(),
    "updated_at": sa.DateTime(),
    "incremental": sa.Boolean(),
    "backup_completed": sa.Integer(),
    "backup_status": sa.Integer(),
}
"""Those that are no texts."""


def rehearse(database: Database, tell: Tell) -> bool:
    """Say what an upgrade to the head would do.

    :returns: whether rows of an earlier release would be adopted.
    :raises SchemaError: it cannot be done at all; says why.
    """
    with migration.connected(database) as connection:
        found = migration.State(connection)
        todo = migration.pending(found.revision)
        if found.old:
            words = release_2x.in_use(connection)
            if words is not None:
                tell(f"now it would be refused: {words}")
            tell("tried on a copy of its rows:")
            with tempfile.TemporaryDirectory() as folder:
                _try(connection, session.scratch(pathlib.Path(folder)), tell)
            return True
    if not todo:
        tell("nothing to do: the schema is the one that this release needs")
    for revision, title in todo:
        tell(f"revision {revision} would be applied: {title}")
    return False


def _try(connection: sa.Connection, copy: Database, tell: Tell) -> None:
    try:
        for name in release_2x.old_tables(connection):
            _copy(connection, name, copy)
        migration.upgrade(copy, forced=True, tell=tell)
        with copy.engine.connect() as upgraded:
            _tell_backups(upgraded, tell)
            _tell_tasks(upgraded, tell)
    finally:
        copy.close()


def _copy(connection: sa.Connection, name: str, copy: Database) -> None:
    columns = sa.inspect(connection).get_columns(name)
    table = sa.Table(
        name, sa.MetaData(), *(_column(name, each["name"]) for each in columns)
    )
    table.create(copy.engine)
    found = list(release_2x.old_rows(connection, name))
    with copy.engine.begin() as filling:
        for start in range(0, len(found), _AT_ONCE):
            filling.execute(sa.insert(table), found[start : start + _AT_ONCE])


def _column(table: str, name: str) -> sa.Column[Any]:
    if name != "id":
        return sa.Column(name, _TYPES.get(name, sa.Text()))
    numbered = table != "report_timestamp"
    kind = sa.Integer() if numbered else sa.Text()
    return sa.Column(name, kind, primary_key=True)


# -- what would come of it ---------------------------------------------------


def _tell_backups(upgraded: sa.Connection, tell: Tell) -> None:
    table = rows.BACKUPS
    found = upgraded.execute(
        sa.select(table).order_by(table.c.created_at, table.c.id)
    ).all()
    kept = [row for row in found if row.state == "available"]
    unknown = sum(row.incremental is None for row in kept)
    tell(
        f"{len(kept)} backup(s) of {len({row.volume_id for row in kept})} "
        "volume(s) would be kept; none expires before its server was read "
        "or proved gone"
    )
    if unknown:
        tell(
            f"{unknown} of them are of unknown mode: they count as full for "
            "planning, and none goes before those that came after it"
        )
    for row in found:
        if row.state == "creating":
            tell(
                f"volume {row.volume_id}: backup {row.id} is being made and "
                "would be followed to its end"
            )
        elif row.state == "unwanted":
            tell(
                f"volume {row.volume_id}: backup {row.id} would be removed "
                f"from Cinder: {row.reason}"
            )


def _tell_tasks(upgraded: sa.Connection, tell: Tell) -> None:
    states = Counter(upgraded.execute(sa.select(rows.TASKS.c.state)).scalars())
    ended = states["succeeded"] + states["failed"]
    tell(
        f"{ended} ended task(s) would be in the next report, "
        f"{states['failed']} of them failed"
    )
