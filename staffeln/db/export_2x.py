# SPDX-License-Identifier: Apache-2.0
"""The way back: rows of this release as those of release 2.x.

The tables of 2.x are made again and filled, the revision is its last one,
and what this release knew besides is kept aside. The deployment stays who
it is: whoever upgrades again goes on with the same backups.

All rows change in one transaction; before it, on MariaDB, which commits
each change of a table by itself, only empty tables are made.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from staffeln.db import (
    adoption,
    clock,
    exported,
    migration,
    models,
    release_2x,
    rows,
)
from staffeln.db.adoption import Tell
from staffeln.db.session import Database
from staffeln.domain import errors

LAST_OF_2X = "5b2e78435231"
ASIDE = "kept_3x_"
"""What the names of tables begin with that hold what 2.x has no room for."""

IN_LOG = "RecordInLog"
"""The sender that 2.x notes for a report that went into the log."""

_PLANNED, _RUNNING, _COMPLETED, _FAILED, _STARTING = range(5)
_EMPTIED = ("task_events", "tasks", "backups", "reports")
"""Tables whose rows are kept aside; children first."""
_FORGOTTEN = ("breaker", "conductors")
"""Tables that say nothing once no conductor runs."""

# -- the tables of 2.x -------------------------------------------------------

_TABLE: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}
_TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql")
_TEXT = sa.String(100).with_variant(
    mysql.VARCHAR(100, charset="utf8mb4", collation="utf8mb4_bin"), "mysql"
)
_LONG_TEXT = sa.String(255).with_variant(
    mysql.VARCHAR(255, charset="utf8mb4"), "mysql"
)
_LONGEST, _LONGEST_REASON = 100, 255
_WHOSE = ("project_id", "volume_id", "instance_id")


def _first_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("created_at", _TIME),
        sa.Column("updated_at", _TIME),
        sa.Column("id", sa.Integer(), primary_key=True),
    ]


OLD_TABLES = sa.MetaData()
BACKUP_DATA = sa.Table(
    "backup_data",
    OLD_TABLES,
    *_first_columns(),
    *(sa.Column(name, _TEXT) for name in ("backup_id", *_WHOSE)),
    sa.Column("backup_completed", sa.Integer()),
    sa.Column("incremental", sa.Boolean()),
    sa.UniqueConstraint("backup_id"),
    **_TABLE,
)
QUEUE_DATA = sa.Table(
    "queue_data",
    OLD_TABLES,
    *_first_columns(),
    *(sa.Column(name, _TEXT) for name in ("backup_id", *_WHOSE)),
    sa.Column("backup_status", sa.Integer()),
    *(sa.Column(name, _TEXT) for name in ("volume_name", "instance_name")),
    sa.Column("incremental", sa.Boolean()),
    sa.Column("reason", _LONG_TEXT),
    **_TABLE,
)
REPORT_TIMESTAMP = sa.Table(
    "report_timestamp",
    OLD_TABLES,
    *_first_columns(),
    sa.Column("sender", _LONG_TEXT),
    **_TABLE,
)


# -- the way back ------------------------------------------------------------


def export(
    database: Database,
    tell: Tell,
    *,
    sender: str | None = None,
    forced: bool = False,
) -> None:
    """Bring a database to where release 2.x can go on with it.

    :param tell: gets a line for each thing worth knowing.
    :param sender: the address that reports come from; None: the log.
    :param forced: although a conductor gave a sign of life a moment ago.
    :raises SchemaError: it cannot be done; says why.
    """
    migration.check(database)
    with migration.alone(database) as connection:
        # Somebody else may have done it while this one waited.
        if migration.State(connection).revision != migration.head():
            raise errors.SchemaError("the database was exported just now")
        if not forced:
            _refuse_while_in_use(connection)
        _refuse_what_is_there(connection)
        OLD_TABLES.create_all(connection)
        exported.make(connection)
        kept = _make_room_aside(connection)
        backups = [row._asdict() for row in _ordered(connection, rows.BACKUPS)]
        tasks = [row._asdict() for row in _ordered(connection, rows.TASKS)]
        _write_backups(connection, backups, tell)
        _write_queue(connection, tasks, backups, tell)
        _write_reports(connection, sender)
        exported.note(connection, sorted(OLD_TABLES.tables))
        _tell_brakes(connection, tell)
        _put_aside(connection, kept)
        connection.execute(sa.update(rows.DEPLOYMENT).values(serves=None))
        connection.execute(
            sa.text("UPDATE alembic_version SET version_num = :it"),
            {"it": LAST_OF_2X},
        )
    tell(
        "what 2.x has no room for is kept in "
        f"{', '.join(kept[name].name for name in reversed(_EMPTIED))}"
    )


def _refuse_while_in_use(connection: sa.Connection) -> None:
    limit = clock.now(connection) - release_2x.QUIET_TIME
    table = rows.CONDUCTORS
    host = connection.scalar(
        sa.select(table.c.host)
        .where(table.c.heartbeat_at > limit)
        .order_by(table.c.heartbeat_at.desc())
        .limit(1)
    )
    if host is not None:
        minutes = int(release_2x.QUIET_TIME.total_seconds() // 60)
        raise errors.SchemaError(
            f"a conductor on {host} gave a sign of life within the last "
            f"{minutes} minutes: stop all conductors, or use --force"
        )


def _refuse_what_is_there(connection: sa.Connection) -> None:
    for name in release_2x.old_tables(connection):
        found = sa.select(sa.func.count()).select_from(sa.table(name))
        if connection.scalar(found):
            raise errors.SchemaError(
                f"table {name} of release 2.x is there already and not empty"
            )


def _ordered(
    connection: sa.Connection, table: sa.Table[Any]
) -> Iterable[sa.Row[Any]]:
    """All rows, oldest first."""
    return connection.execute(
        sa.select(table).order_by(table.c.created_at, table.c.id)
    ).all()


def _make_room_aside(connection: sa.Connection) -> dict[str, sa.Table[Any]]:
    taken = set(sa.inspect(connection).get_table_names())
    kept = {}
    for name in _EMPTIED:
        columns = models.Base.metadata.tables[name].columns
        kept[name] = sa.Table(
            adoption.free_name(ASIDE + name, taken),
            sa.MetaData(),
            *(
                sa.Column(
                    each.name,
                    each.type,
                    primary_key=each.primary_key,
                    autoincrement=False,
                )
                for each in columns
            ),
            **_TABLE,
        )
        kept[name].create(connection)
    return kept


def _put_aside(
    connection: sa.Connection, kept: Mapping[str, sa.Table[Any]]
) -> None:
    tables = models.Base.metadata.tables
    for name in _EMPTIED:
        connection.execute(
            sa.insert(kept[name]).from_select(
                [each.name for each in kept[name].columns],
                sa.select(*tables[name].columns),
            )
        )
    for name in (*_EMPTIED, *_FORGOTTEN):
        connection.execute(sa.delete(tables[name]))


# -- its rows ----------------------------------------------------------------


def _write_backups(
    connection: sa.Connection, backups: list[dict[str, Any]], tell: Tell
) -> None:
    done = {"available": 1, "unwanted": 0, "deleting": 0}
    states = Counter(row["state"] for row in backups)
    adoption.insert(
        connection,
        BACKUP_DATA,
        [
            {
                **_common(row),
                "backup_id": row["id"],
                "backup_completed": done[row["state"]],
                "incremental": row["incremental"],
            }
            for row in backups
            if row["state"] in done
        ],
    )
    tell(
        f"{states['available']} backup(s) to be kept and "
        f"{states['unwanted'] + states['deleting']} to be removed are in "
        "backup_data"
    )
    if states["vanished"]:
        tell(
            f"{states['vanished']} backup(s) that vanished from Cinder are "
            "left out"
        )


def _write_queue(
    connection: sa.Connection,
    tasks: list[dict[str, Any]],
    backups: list[dict[str, Any]],
    tell: Tell,
) -> None:
    added = []
    for row in tasks:
        status = _status(row)
        if status is None:
            continue
        added.append(_queued(row, status, row["backup_id"]))
        if status == _STARTING:
            tell(
                f"volume {row['volume_id']}: task {row['id']} was being "
                "started; a backup of it that nobody noted may be in Cinder"
            )
    followed = {
        each["backup_id"]
        for each in added
        if each["backup_status"] == _RUNNING
    }
    added += [
        _queued(row, _RUNNING, row["id"])
        for row in backups
        if row["state"] == "creating" and row["id"] not in followed
    ]
    adoption.insert(connection, QUEUE_DATA, added)
    counts = Counter(each["backup_status"] for each in added)
    tell(
        f"{len(added)} task(s) are in queue_data: {counts[_PLANNED]} planned, "
        f"{counts[_STARTING]} being started, {counts[_RUNNING]} running, "
        f"{counts[_COMPLETED]} completed, {counts[_FAILED]} failed"
    )
    left = Counter(row["kind"] for row in tasks if _status(row) is None)
    if left:
        tell(
            f"left out: {left['backup']} cancelled task(s), and "
            f"{left['delete']} delete(s), which 2.x plans by its own rules"
        )


def _status(row: Mapping[str, Any]) -> int | None:
    """The word of 2.x for where a task stands; None: it has none."""
    if row["kind"] != "backup":
        return None
    if row["state"] in ("planned", "claimed"):
        return _STARTING if row["unsettled"] else _PLANNED
    return {
        "starting": _STARTING,
        "running": _RUNNING,
        "succeeded": _COMPLETED,
        "failed": _FAILED,
    }.get(row["state"])


def _queued(
    row: Mapping[str, Any], status: int, backup_id: str | None
) -> dict[str, Any]:
    mode = row.get("mode")
    return {
        **_common(row),
        "backup_id": backup_id or "NULL",
        "backup_status": status,
        "volume_name": row["volume_name"][:_LONGEST],
        "instance_name": row["server_name"][:_LONGEST],
        "incremental": row.get("incremental")
        if mode is None
        else mode == "incremental",
        "reason": row["reason"][:_LONGEST_REASON]
        if status == _FAILED
        else None,
    }


def _common(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
        "project_id": row["project_id"] or None,
        "volume_id": row["volume_id"] or None,
        "instance_id": row["server_id"] or None,
    }


def _write_reports(connection: sa.Connection, sender: str | None) -> None:
    """When 2.x may report again: a period after the last one."""
    last: datetime.datetime | None = connection.scalar(
        sa.select(sa.func.max(rows.REPORTS.c.delivered_at))
    )
    if last is not None:
        adoption.insert(
            connection,
            REPORT_TIMESTAMP,
            [{"created_at": last, "sender": sender or IN_LOG}],
        )


def _tell_brakes(connection: sa.Connection, tell: Tell) -> None:
    for row in _paused(connection):
        whose = f"project {row.project_id}" if row.project_id else "all"
        tell(f"{row.kind}s of {whose} are paused; 2.x knows no pauses")


def _paused(connection: sa.Connection) -> Iterable[sa.Row[Any]]:
    return connection.execute(sa.select(rows.BRAKES)).all()
