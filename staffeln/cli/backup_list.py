# SPDX-License-Identifier: Apache-2.0
"""``staffeln backup list``."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Iterable, Sequence
from typing import Any

from staffeln.cli import backups, command, fields
from staffeln.domain import model


class ListBackups(command.Lister):
    """List managed backups, newest first."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Its options."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--state",
            action="append",
            choices=[each.value for each in model.BackupState],
            help="only backups in this state; can be repeated",
        )
        parser.add_argument(
            "--project", metavar="ID", help="only backups of this project"
        )
        parser.add_argument(
            "--volume", metavar="ID", help="only backups of this volume"
        )
        self.add_limit(parser)
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        """Read the rows."""
        states = [model.BackupState(each) for each in parsed_args.state or ()]
        with self.staffeln.doors.store() as store:
            found = self.limited(
                parsed_args,
                functools.partial(
                    store.backups,
                    states=states or None,
                    project_id=parsed_args.project,
                    volume_id=parsed_args.volume,
                ),
            )
            now = store.now()
        return fields.listed(
            backups.BRIEF,
            backups.ALL,
            [backups.Seen(each, now) for each in found],
            parsed_args,
        )
