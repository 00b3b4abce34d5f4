# SPDX-License-Identifier: Apache-2.0
"""``staffeln task show``: the whole story of a task."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from cliff import show

from staffeln.cli import app, finding, presenting, task_list
from staffeln.domain import task


class ShowTask(show.ShowOne):
    """Show a task and its whole story."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the id."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "task", metavar="ID", help="id of the task, or how it begins"
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Sequence[Any]]:
        """Read and show."""
        with app.doors_of(self).store() as store:
            found = store.get_task(parsed_args.task)
            if found is None:
                found = finding.one("task", parsed_args.task, store.tasks())
            events = store.events(found.id)
        shown = task_list.fields(found)
        if parsed_args.formatter in presenting.EXACT:
            shown["events"] = [_event(event) for event in events]
        else:
            shown["story"] = "\n".join(_lines(events))
        return presenting.one(shown, parsed_args.formatter)


def _event(event: task.Event) -> dict[str, Any]:
    return {
        "at": presenting.time(event.at),
        "from": event.from_state.value if event.from_state else None,
        "to": event.to_state.value,
        "attempt": event.attempt,
        "conductor_id": event.conductor_id,
        "reason": event.reason,
    }


def _lines(events: Sequence[task.Event]) -> list[str]:
    """A line for each event: when, how long after the first, what, why."""
    lines = []
    for event in events:
        after = presenting.elapsed(event.at - events[0].at)
        attempt = f" (attempt {event.attempt})" if event.attempt else ""
        lines.append(
            f"{presenting.time(event.at)} {'+' + after:>9} "
            f"{event.to_state.value:<9}{attempt} "
            f"{presenting.escaped(event.reason)}"
        )
    return lines
