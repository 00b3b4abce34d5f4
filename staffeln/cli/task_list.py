# SPDX-License-Identifier: Apache-2.0
"""``staffeln task list``."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Iterable, Sequence
from typing import Any

from staffeln.cli import command, fields, tasks
from staffeln.domain import task


class ListTasks(command.Lister):
    """List tasks, newest first.

    Tasks that have ended are kept until they were reported.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Its options."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--state",
            action="append",
            choices=[each.value for each in task.State],
            help="only tasks in this state; can be repeated",
        )
        parser.add_argument(
            "--kind",
            choices=[each.value for each in task.Kind],
            help="only tasks of this kind",
        )
        parser.add_argument(
            "--project", metavar="ID", help="only tasks of this project"
        )
        parser.add_argument(
            "--volume", metavar="ID", help="only tasks of this volume"
        )
        self.add_limit(parser)
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        """Read the tasks."""
        states = [task.State(each) for each in parsed_args.state or ()]
        with self.staffeln.doors.store() as store:
            found = self.limited(
                parsed_args,
                functools.partial(
                    store.tasks,
                    kind=task.Kind(parsed_args.kind)
                    if parsed_args.kind
                    else None,
                    states=states or None,
                    project_id=parsed_args.project,
                    volume_id=parsed_args.volume,
                ),
            )
            now = store.now()
        return fields.listed(
            tasks.BRIEF,
            tasks.ALL,
            [tasks.Seen(each, now) for each in found],
            parsed_args,
        )
