# SPDX-License-Identifier: Apache-2.0
"""Writing rows of backups, and what is remembered of volumes."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from oslo_db import exception as oslo_exception
from sqlalchemy.dialects import mysql, postgresql, sqlite

from staffeln.db import governing, history, rows
from staffeln.domain import model

_INSERT: dict[str, Any] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}


def put(
    connection: sa.Connection,
    seen: Iterable[tuple[model.Backup, datetime.datetime]],
) -> None:
    """Bring rows up to date, or insert them; what governs them stays.

    :param seen: each with the time at which it came to stand so.
    """
    _put(
        connection,
        rows.BACKUPS,
        (
            {**rows.backup_values(backup), "updated_at": at}
            for backup, at in seen
        ),
        left_alone=governing.GOVERNED,
    )


def insert(
    connection: sa.Connection, backup: model.Backup, now: datetime.datetime
) -> bool:
    """Insert a row; one that is there already stays as it is."""
    values = {**rows.backup_values(backup), "updated_at": now}
    try:
        with connection.begin_nested():
            connection.execute(sa.insert(rows.BACKUPS).values(values))
    except oslo_exception.DBDuplicateEntry:
        return False
    return True


def forget(connection: sa.Connection, backup_ids: Sequence[str]) -> None:
    """Remove rows of backups that are proved gone."""
    for chunk in history.chunks(backup_ids):
        connection.execute(
            sa.delete(rows.BACKUPS).where(rows.BACKUPS.c.id.in_(chunk))
        )


def note_missing(
    connection: sa.Connection,
    backup: model.Backup,
    since: datetime.datetime | None,
    now: datetime.datetime,
) -> bool:
    """Note since when Cinder answers 404, if the row's state is the same."""
    table = rows.BACKUPS
    return (
        connection.execute(
            sa.update(table)
            .where(
                table.c.id == backup.id, table.c.state == backup.state.value
            )
            .values(missing_since=since, updated_at=now)
        ).rowcount
        == 1
    )


def note_broken(
    connection: sa.Connection,
    backups: Sequence[model.Backup],
    since: datetime.datetime | None,
    now: datetime.datetime,
) -> None:
    """Note since when Cinder shows them in a status of error; None: whole."""
    table = rows.BACKUPS
    for chunk in history.chunks([each.id for each in backups]):
        connection.execute(
            sa.update(table)
            .where(
                table.c.id.in_(chunk),
                table.c.state == model.BackupState.AVAILABLE.value,
            )
            .values(broken_since=since, updated_at=now)
        )


def put_records(
    connection: sa.Connection, records: Sequence[model.VolumeRecord]
) -> None:
    """Remember these of their volumes from now on."""
    _put(connection, rows.VOLUMES, map(rows.record_values, records))


def _put(
    connection: sa.Connection,
    table: Any,
    wanted: Iterable[dict[str, Any]],
    left_alone: Collection[str] = (),
) -> None:
    """Bring rows up to date, or insert them, in one statement.

    So another writer cannot come in between and insert the same. Of two
    values for one row the last one is kept.

    :param left_alone: columns that a row which is there keeps.
    """
    (key,) = table.primary_key.columns
    values = list({each[key.name]: each for each in wanted}.values())
    if not values:
        return
    names = [
        name
        for name in values[0]
        if name != key.name and name not in left_alone
    ]
    statement: Any
    if connection.dialect.name == "mysql":
        statement = mysql.insert(table)
        statement = statement.on_duplicate_key_update(
            {name: statement.inserted[name] for name in names}
        )
    else:
        insert = _INSERT[connection.dialect.name]
        statement = insert(table)
        statement = statement.on_conflict_do_update(
            index_elements=[key],
            set_={name: statement.excluded[name] for name in names},
        )
    connection.execute(statement, values)
