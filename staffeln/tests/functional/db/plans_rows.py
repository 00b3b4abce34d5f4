# SPDX-License-Identifier: Apache-2.0
"""Rows of large tables: of so many that a scan would cost more."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from typing import Any

import sqlalchemy as sa

from staffeln.db import rows
from staffeln.domain import model, task
from staffeln.tests.unit.domain import samples

NOW = samples.NOW
HOUR = samples.HOUR
VOLUMES = 1500
OF_EACH = 10
"""Backups of each volume, and tasks: enough that a scan would cost more."""
REPORTS = 2000
OF_A_REPORT = 5


def report_id(number: int) -> str:
    return f"report-{number:06}"


def reports() -> Iterator[dict[str, Any]]:
    """Nearly all of which are done with."""
    for number in range(REPORTS):
        at = NOW - number * HOUR
        done = number >= OF_A_REPORT
        yield {
            "id": report_id(number),
            "audience": "project",
            "project_id": "p1",
            "receiver": "",
            "created_at": at,
            "attempted_at": at,
            "attempts": 1,
            "delivered_at": at if done else None,
            "purged_at": at if done else None,
        }


def volume_id(number: int) -> str:
    return f"volume-{number:06}"


def backup_id(volume: int, number: int) -> str:
    return f"backup-{volume:06}-{number}"


def backups() -> Iterator[model.Backup]:
    """Each 20th volume has old ones, each 15th is of a server unknown."""
    for volume in range(VOLUMES):
        unknown = volume % 15 == 0
        for number in range(OF_EACH):
            made = NOW - number * samples.DAY
            kept = datetime.timedelta(days=7 if volume % 20 == 1 else 30)
            yield samples.backup(
                backup_id(volume, number),
                volume_id=volume_id(volume),
                volume_name=f"name of volume {volume}",
                server_id=f"server-{volume:06}",
                created_at=made,
                completed_at=made,
                retention_known=not unknown,
                kept_for="" if unknown else f"{kept.days}d",
                expires_at=None if unknown else made + kept,
                missing_since=NOW if volume % 300 == 7 else None,
                broken_since=NOW if volume % 100 == 9 else None,
                state=model.BackupState.VANISHED
                if volume % 300 == 8
                else model.BackupState.AVAILABLE,
                updated_at=made,
            )


def tasks() -> Iterator[task.Task]:
    """One for each backup, most of which have ended."""
    for volume in range(VOLUMES):
        for number in range(OF_EACH):
            delete = number >= OF_EACH // 2
            live = volume % 20 == 1 and number >= OF_EACH - 2
            yield samples.backup_task(
                f"task-{volume:06}-{number}",
                kind=task.Kind.DELETE if delete else task.Kind.BACKUP,
                state=task.State.PLANNED if live else task.State.SUCCEEDED,
                volume_id=volume_id(volume),
                mode=None,
                backup_id=backup_id(volume, number),
                waits_for=backup_id(volume, number + 1)
                if live and number < OF_EACH - 1
                else None,
                created_at=NOW - number * HOUR,
            )


def insert(
    connection: sa.Connection, table: Any, things: Iterable[Any]
) -> None:
    values = rows.backup_values if table is rows.BACKUPS else rows.task_values
    connection.execute(sa.insert(table), [values(each) for each in things])
