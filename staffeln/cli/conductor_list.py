# SPDX-License-Identifier: Apache-2.0
"""``staffeln conductor list``."""

from __future__ import annotations

import argparse
import dataclasses
import datetime
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from staffeln import ports
from staffeln.cli import command, fields, layout
from staffeln.cli.fields import Field, attribute
from staffeln.domain import task


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A conductor as it is at this moment."""

    id: str
    host: str
    pid: int
    backend: str
    started_at: datetime.datetime
    last_sign: datetime.timedelta
    """How long ago it gave a sign of life."""
    scheduler_since: datetime.datetime | None
    """None: it is not the scheduler."""
    tasks: int
    """How many it holds."""


_WIDE = layout.Fitting(from_width=110)

BRIEF: tuple[Field[Seen], ...] = (
    attribute("id"),
    attribute("host", fitting=layout.Fitting(least=8)),
    Field(
        name="role",
        value=lambda each: (
            "worker" if each.scheduler_since is None else "scheduler"
        ),
    ),
    attribute("last_sign"),
    attribute("tasks"),
    attribute("backend", fitting=_WIDE),
)

ALL: tuple[Field[Seen], ...] = tuple(
    attribute(each.name) for each in dataclasses.fields(Seen)
)


class ListConductors(command.Lister):
    """List the conductors: who lives, who is the scheduler.

    A conductor that was silent for heartbeat_timeout is taken off the list
    by the others, and its tasks go to them.
    """

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        """Read the rows."""
        with self.staffeln.doors.store() as store:
            found = _all(store)
        if not found:
            self.staffeln.tell("No conductor is alive.")
        elif all(each.scheduler_since is None for each in found):
            self.staffeln.tell("None of them is the scheduler.")
        return fields.listed(BRIEF, ALL, found, parsed_args)


def _all(store: ports.Store) -> list[Seen]:
    now = store.now()
    conductors = store.conductors()
    held = Counter(
        work.claimed_by
        for work in store.tasks(
            states=task.HELD, claimed_by=[each.id for each in conductors]
        )
    )
    terms = {each.conductor_id: each for each in store.terms(1)}
    return [
        Seen(
            id=each.id,
            host=each.host,
            pid=each.pid,
            backend=each.backend,
            started_at=each.started_at,
            last_sign=now - each.heartbeat_at,
            scheduler_since=terms[each.id].began_at
            if each.id in terms
            else None,
            tasks=held[each.id],
        )
        for each in conductors
    ]
