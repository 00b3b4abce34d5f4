# SPDX-License-Identifier: Apache-2.0
"""``staffeln task list``."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import Any

from cliff import lister

from staffeln.cli import app, presenting
from staffeln.domain import task

_SHORT = ("id", "kind", "state", "volume", "mode", "created_at", "reason")


class ListTasks(lister.Lister):
    """List tasks, newest first."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the filters."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--state",
            action="append",
            choices=[state.value for state in task.State],
            help="only in this state; may be given repeatedly",
        )
        parser.add_argument(
            "--kind",
            choices=[kind.value for kind in task.Kind],
            help="only of this kind",
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
        states = [task.State(each) for each in parsed_args.state or ()]
        with app.doors_of(self).store() as store:
            found = store.tasks(
                kind=task.Kind(parsed_args.kind) if parsed_args.kind else None,
                states=states or None,
                project_id=parsed_args.project,
                volume_id=parsed_args.volume,
                limit=parsed_args.limit,
            )
        if not found:
            presenting.hint("no task fits")
        if len(found) == parsed_args.limit:
            presenting.hint(f"only the newest {len(found)}; see --limit")
        return presenting.rows(
            [fields(work) for work in found], _SHORT, parsed_args.formatter
        )


def positive(text: str) -> int:
    """A whole number of at least one."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def fields(work: task.Task) -> dict[str, Any]:
    """All that is shown of a task."""
    return {
        "id": work.id,
        "kind": work.kind,
        "state": work.state,
        "volume": work.volume_name or work.volume_id,
        "volume_id": work.volume_id,
        "size": work.volume_size,
        "project_id": work.project_id,
        "server": work.server_name,
        "server_id": work.server_id,
        "mode": work.mode,
        "backup_id": work.backup_id,
        "attempt": work.attempt,
        "attempted_at": work.attempted_at,
        "created_at": work.created_at,
        "updated_at": work.updated_at,
        "not_before": work.not_before,
        "finished_at": work.finished_at,
        "conductor_id": work.claimed_by,
        "reason": work.reason,
    }
