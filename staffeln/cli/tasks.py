# SPDX-License-Identifier: Apache-2.0
"""The fields of a task, and its story."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Sequence
from typing import Any

from staffeln.cli import fields, layout, words
from staffeln.cli.fields import Field, attribute
from staffeln.domain import task

_NAME = layout.Fitting(least=8)
_WIDE_NAME = layout.Fitting(least=8, from_width=100)
_WIDE = layout.Fitting(from_width=100)
_REASON = layout.Fitting(least=24, from_width=150)
_INDENT = "    "


@dataclasses.dataclass(frozen=True, slots=True)
class Seen:
    """A task at a time."""

    task: task.Task
    now: datetime.datetime

    @property
    def age(self) -> datetime.timedelta:
        """How long ago it was planned."""
        return self.now - self.task.created_at

    @property
    def took(self) -> datetime.timedelta | None:
        """How long its last attempt took, or has taken so far.

        None: it makes none, or never made one.
        """
        began = self.task.attempted_at
        if began is None:
            return None
        if self.task.finished_at is not None:
            return self.task.finished_at - began
        if self.task.state in (task.State.STARTING, task.State.RUNNING):
            return self.now - began
        return None


def _of_task(name: str) -> Field[Seen]:
    return Field(name=name, value=lambda seen: getattr(seen.task, name))


ALL: tuple[Field[Seen], ...] = (
    *(
        _of_task(each.name)
        for each in dataclasses.fields(task.Task)
        if each.name != "reason"
    ),
    attribute("age"),
    attribute("took"),
    _of_task("reason"),
)
"""Every field; lengths of time in seconds."""


def _volume(seen: Seen) -> str:
    """The volume's name; the beginning of its id where it has none."""
    work = seen.task
    return words.plain(work.volume_name or f"({work.volume_id[:8]})")


BRIEF: tuple[Field[Seen], ...] = (
    _of_task("id"),
    Field(
        name="kind",
        value=lambda seen: seen.task.mode or seen.task.kind,
        fitting=_WIDE,
    ),
    _of_task("state"),
    Field(
        name="server",
        value=lambda seen: seen.task.server_name,
        fitting=_WIDE_NAME,
    ),
    Field(
        name="volume",
        value=lambda seen: seen.task.volume_name,
        text=_volume,
        fitting=_NAME,
    ),
    attribute("age"),
    attribute("took", fitting=_WIDE),
    Field(name="reason", value=lambda seen: seen.task.reason, fitting=_REASON),
)
"""What a list shows to people. A backup's kind is its mode."""


def events(story: Sequence[task.Event]) -> list[dict[str, Any]]:
    """The events as JSON has them, with the seconds since the first."""
    return [
        {
            **{
                each.name: fields.machine(getattr(event, each.name))
                for each in dataclasses.fields(event)
                if each.name != "task_id"
            },
            "elapsed": (event.at - story[0].at).total_seconds(),
        }
        for event in story
    ]


def timeline(story: Sequence[task.Event], width: int) -> str:
    """The events as people read them: a head line each, and its reason.

    :param width: columns of the terminal that a line may take.
    """
    lines = []
    for event in story:
        elapsed = f"+{words.length(event.at - story[0].at)}"
        lines.append(f"{words.second(event.at)}  {elapsed:<9} {_move(event)}")
        if event.reason:
            lines.append(
                layout.wrapped(words.plain(event.reason), width, _INDENT)
            )
        lines.append(_INDENT + _by(event))
    return "\n".join(lines)


def _move(event: task.Event) -> str:
    if event.from_state is None:
        return f"{event.to_state}"
    if event.from_state is event.to_state:
        return f"{event.to_state}, taken over"
    return f"{event.from_state} -> {event.to_state}"


def _by(event: task.Event) -> str:
    attempt = f"attempt {event.attempt}, " if event.attempt else ""
    return f"{attempt}by {words.plain(event.conductor_id or 'nobody')}"
