# SPDX-License-Identifier: Apache-2.0
"""``staffeln task show``."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import Any

from staffeln.cli import command, fields, layout, tasks

_NO_TERMINAL = 120
"""Columns that the story takes where nothing says how wide it may be."""
_FRAME = 7
"""Columns that the lines of a table of two columns take."""


class ShowTask(command.ShowOne):
    """Show a task and its whole story."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Its options."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "task",
            metavar="ID",
            help="the task's id, or enough of its beginning",
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        """Read the task and its events."""
        with self.staffeln.doors.store() as store:
            found = command.one(
                "task", parsed_args.task, store.get_task, store.tasks
            )
            story = store.events(found.id)
            now = store.now()
        seen = tasks.Seen(found, now)
        names = tuple(each.name for each in tasks.ALL)
        room = (layout.room(parsed_args) or _NO_TERMINAL) - _FRAME
        told = fields.nested(
            tasks.events(story),
            tasks.timeline(story, room - max(map(len, names))),
            parsed_args.formatter,
        )
        return (*names, "events"), (
            *(
                fields.cell(each, seen, parsed_args.formatter)
                for each in tasks.ALL
            ),
            told,
        )
