# SPDX-License-Identifier: Apache-2.0
"""``staffeln backup list``."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import Any

from cliff import lister

from staffeln.cli import app, presenting
from staffeln.cli.task_list import positive
from staffeln.domain import model, task

_SHORT = ("id", "state", "volume", "server", "mode", "size", "created_at")


class ListBackups(lister.Lister):
    """List managed backups, newest first. Sizes are GiB."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the filters."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--state",
            action="append",
            choices=[state.value for state in model.BackupState],
            help="only in this state; may be given repeatedly",
        )
        parser.add_argument(
            "--project", metavar="ID", help="only of a project"
        )
        parser.add_argument("--volume", metavar="ID", help="only of a volume")
        parser.add_argument(
            "--limit",
            type=positive,
            default=100,
            help="no more than so many (default: 100)",
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
        """Read and show."""
        states = [model.BackupState(each) for each in parsed_args.state or ()]
        with app.doors_of(self).store() as store:
            found = store.backups(
                states=states or None,
                project_id=parsed_args.project,
                volume_id=parsed_args.volume,
                limit=parsed_args.limit,
            )
        if not found:
            presenting.hint("no backup fits")
        if len(found) == parsed_args.limit:
            presenting.hint(f"only the newest {len(found)}; see --limit")
        return presenting.rows(
            [fields(backup) for backup in found],
            _SHORT,
            parsed_args.formatter,
        )


def fields(backup: model.Backup) -> dict[str, Any]:
    """All that is shown of a managed backup."""
    return {
        "id": backup.id,
        "state": backup.state,
        "volume": backup.volume_name or backup.volume_id,
        "volume_id": backup.volume_id,
        "project_id": backup.project_id,
        "server": backup.server_name,
        "server_id": backup.server_id,
        "mode": _mode(backup),
        "size": backup.size,
        "created_at": backup.created_at,
        "completed_at": backup.completed_at,
        "retention": backup.retention,
        "task_id": backup.task_id,
        "attempt": backup.attempt,
        "reason": backup.reason,
    }


def _mode(backup: model.Backup) -> task.Mode | None:
    if backup.incremental is None:
        return None
    return task.Mode.INCREMENTAL if backup.incremental else task.Mode.FULL
