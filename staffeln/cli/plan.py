# SPDX-License-Identifier: Apache-2.0
"""``staffeln plan``."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import Any

from staffeln.cli import (
    command,
    expiries,
    fields,
    intentions,
    prospects,
    words,
)
from staffeln.cli.intentions import Action, Intention
from staffeln.workflow import planning
from staffeln.workflow.outlook import Outlook


class ShowPlan(command.Lister):
    """Show what the next cycle would do and why; change nothing.

    Servers and volumes are read from the cloud as the scheduler reads them.
    Backups come first, in their order of work; then what retention would
    delete. With --action keep all backups are shown that stay, and what
    each waits for. Beside the table: how many volumes are not protected as
    they should be, which volumes with backups are selected no longer, and
    which projects' quotas have no room for what is due.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Its options."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--action",
            action="append",
            choices=[each.value for each in Action],
            help="only what would be done like this; can be repeated",
        )
        parser.add_argument(
            "--project", metavar="ID", help="only volumes of this project"
        )
        parser.add_argument("--volume", metavar="ID", help="only this volume")
        parser.add_argument(
            "--no-quotas",
            action="store_true",
            help="do not ask Cinder whether the quotas of projects have room "
            "for what is due: one call for each project",
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        """Draw a plan, and leave it at that."""
        doors = self.staffeln.doors
        with doors.store() as store:
            settings = doors.settings(store)
            cloud = doors.cloud()
            drawn = planning.draw(
                store, cloud, settings, bind=False, thorough=True
            )
            outlook = Outlook(
                store, cloud, settings, drawn.inventory, drawn.now
            )
            expiring = expiries.look(
                outlook, store, intentions.removals(drawn, store), parsed_args
            )
            found = [*intentions.of(drawn, store), *expiring.intentions]
            against = list(
                expiries.against(
                    expiring,
                    drawn.inventory,
                    store,
                    cloud,
                    settings,
                    doors.host_time,
                )
            )
            ahead = list(
                prospects.lines(drawn, store, cloud, settings, parsed_args)
            )
        shown = [each for each in found if _is_wanted(each, parsed_args)]
        for line in intentions.harvest(drawn.inventory):
            self.staffeln.tell(line)
        self.staffeln.tell(intentions.summary(found))
        if expiring.kept:
            self.staffeln.tell(
                f"{expiring.kept} expired backups are kept: --action keep "
                "says why."
            )
        for brake in drawn.brakes:
            self.staffeln.tell(f"Paused: {words.plain(brake.in_words())}.")
        for line in (*against, *ahead):
            self.staffeln.tell(line)
        if drawn.overdue:
            self.staffeln.tell(f"{planning.overdue_in_words(drawn.overdue)}.")
        if not found:
            self.staffeln.tell(f"Nothing to do: {settings.rule.in_words()}.")
        elif not shown:
            self.staffeln.tell("Nothing found.")
        elif len(shown) < len(found):
            self.staffeln.tell(f"Shown: {len(shown)} of {len(found)}.")
        return fields.listed(
            intentions.BRIEF, intentions.ALL, shown, parsed_args
        )


def _is_wanted(each: Intention, parsed_args: argparse.Namespace) -> bool:
    return (
        each.action in (parsed_args.action or Action)
        and parsed_args.project in (None, each.project_id)
        and parsed_args.volume in (None, each.volume_id)
    )
