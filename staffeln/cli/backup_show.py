# SPDX-License-Identifier: Apache-2.0
"""``staffeln backup show``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from cliff import show

from staffeln.cli import app, backup_list, finding, presenting


class ShowBackup(show.ShowOne):
    """Show a managed backup."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the id."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "backup", metavar="ID", help="id of the backup, or how it begins"
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Sequence[Any]]:
        """Read and show."""
        with app.doors_of(self).store() as store:
            found = store.get_backup(parsed_args.backup)
            if found is None:
                found = finding.one(
                    "backup", parsed_args.backup, store.backups()
                )
        return presenting.one(backup_list.fields(found), parsed_args.formatter)
