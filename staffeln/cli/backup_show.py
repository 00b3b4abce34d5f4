# SPDX-License-Identifier: Apache-2.0
"""``staffeln backup show``."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import Any

from staffeln.cli import backups, command, fields, tasks, words
from staffeln.domain import model


class ShowBackup(command.ShowOne):
    """Show a managed backup and the task that made it."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Its options."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "backup",
            metavar="ID",
            help="the backup's id in Cinder, or enough of its beginning",
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        """Read the row and its task."""
        with self.staffeln.doors.store() as store:
            found = command.one(
                "backup", parsed_args.backup, store.get_backup, store.backups
            )
            made_by = store.get_task(found.task_id) if found.task_id else None
            now = store.now()
        seen = backups.Seen(found, now)
        maker = tasks.Seen(made_by, now) if made_by else None
        return (*(each.name for each in backups.ALL), "task"), (
            *(
                fields.cell(each, seen, parsed_args.formatter)
                for each in backups.ALL
            ),
            fields.nested(
                _exact(maker), _in_words(found, maker), parsed_args.formatter
            ),
        )


def _exact(maker: tasks.Seen | None) -> dict[str, Any] | None:
    if maker is None:
        return None
    return {each.name: fields.machine(each.value(maker)) for each in tasks.ALL}


def _in_words(backup: model.Backup, maker: tasks.Seen | None) -> str:
    if maker is None and backup.task_id:
        return "it was reported and is not kept any more"
    if maker is None:
        return "an earlier release made it"
    work = maker.task
    took = f", took {words.length(maker.took)}" if maker.took else ""
    return (
        f"{work.state}, attempt {work.attempt}{took}\n"
        f"{words.plain(work.reason) or words.NOTHING}"
    )
