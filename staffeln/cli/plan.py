# SPDX-License-Identifier: Apache-2.0
"""``staffeln plan``: what the next cycle would do, and why."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from cliff import lister

from staffeln.cli import app, presenting
from staffeln.domain import model, plan, task
from staffeln.workflow import planning

_SHORT = ("action", "volume", "volume_id", "server", "mode", "size", "reason")
_DELETE = "delete"
ACTIONS = (*(what.value for what in plan.What), "cancel", _DELETE)


class ShowPlan(lister.Lister):
    """Show what the next cycle would do, with reasons; changes nothing.

    Sizes are GiB. Backups come in their order of work.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the filters."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--project", metavar="ID", help="only of a project"
        )
        parser.add_argument("--volume", metavar="ID", help="only of a volume")
        parser.add_argument(
            "--action",
            choices=ACTIONS,
            action="append",
            help="only what would be done so; may be given repeatedly",
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
        """Draw the plan and show it."""
        doors = app.doors_of(self)
        with doors.store() as store:
            drawn = planning.draw(
                store, doors.cloud(), doors.settings(), bind=False
            )
            cancelled = [store.get_task(each) for each in drawn.plan.cancelled]
            unwanted = store.unwanted_backups()
        lines = [
            *(_decided(each) for each in drawn.plan.decisions),
            *(_cancelled(work) for work in cancelled if work is not None),
            *(_removed(backup) for backup in unwanted),
        ]
        _sum_up(drawn, len(unwanted))
        return presenting.rows(
            [each for each in lines if _wanted(each, parsed_args)],
            _SHORT,
            parsed_args.formatter,
        )


def _wanted(line: dict[str, Any], wanted: argparse.Namespace) -> bool:
    return (
        wanted.project in (None, line["project_id"])
        and wanted.volume in (None, line["volume_id"])
        and (not wanted.action or line["action"] in wanted.action)
    )


def _decided(decision: plan.VolumeDecision) -> dict[str, Any]:
    candidate = decision.candidate
    return {
        "action": decision.what.value,
        "volume": candidate.volume.name,
        "volume_id": candidate.volume.id,
        "project_id": candidate.volume.project_id,
        "server": candidate.server_name,
        "server_id": candidate.server_id,
        "mode": decision.mode,
        "size": candidate.volume.size,
        "reason": decision.why,
        "backup_id": None,
    }


def _cancelled(work: task.Task) -> dict[str, Any]:
    return {
        "action": "cancel",
        "volume": work.volume_name,
        "volume_id": work.volume_id,
        "project_id": work.project_id,
        "server": work.server_name,
        "server_id": work.server_id,
        "mode": work.mode,
        "size": work.volume_size,
        "reason": planning.CANCEL_REASON,
        "backup_id": None,
    }


def _removed(backup: model.Backup) -> dict[str, Any]:
    return {
        "action": _DELETE,
        "volume": backup.volume_name,
        "volume_id": backup.volume_id,
        "project_id": backup.project_id,
        "server": backup.server_name,
        "server_id": backup.server_id,
        "mode": None,
        "size": backup.size,
        "reason": f"backup {backup.id}: {backup.reason or 'unwanted'}",
        "backup_id": backup.id,
    }


def _sum_up(drawn: planning.Drawn, removed: int) -> None:
    for problem in drawn.inventory.problems:
        presenting.hint(f"harvest: {presenting.escaped(problem)}")
    if not drawn.inventory.complete:
        presenting.hint("the harvest is NOT complete")
    made = drawn.plan.of(plan.What.BACK_UP)
    modes = Counter(each.mode for each in made)
    counts = Counter(each.what for each in drawn.plan.decisions)
    size = sum(each.candidate.volume.size for each in made)
    presenting.hint(
        f"{len(made)} to back up ({modes[task.Mode.FULL]} full, "
        f"{modes[task.Mode.INCREMENTAL]} incremental; {size} GiB of "
        f"volumes), {counts[plan.What.FAIL]} to fail, "
        f"{counts[plan.What.POSTPONE]} postponed, "
        f"{counts[plan.What.SKIP]} not due, "
        f"{len(drawn.plan.cancelled)} to cancel, {removed} to delete"
    )
