# SPDX-License-Identifier: Apache-2.0
"""What the loops talk to, reduced to saying what they were asked for."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

from staffeln import ports

Say = Callable[[str], None]


class Rows:
    """The few things that the loops ask of a database."""

    def __init__(self, now: datetime.datetime, say: Say) -> None:
        self.time = now
        self.rows: list[ports.Conductor] = []
        self.alive = True
        self.refusals: list[Exception] = []
        self._say = say

    def now(self) -> datetime.datetime:
        """The database's clock."""
        return self.time

    def conductors(self) -> list[ports.Conductor]:
        """All rows."""
        return list(self.rows)

    def heartbeat(self, conductor_id: str) -> bool:
        """Say whether the row is there."""
        self._say(f"heartbeat {conductor_id}")
        return self.alive

    def register_conductor(
        self, conductor_id: str, host: str, _pid: int, backend: str
    ) -> None:
        """Say who registers."""
        if self.refusals:
            raise self.refusals.pop(0)
        self._say(f"registered {conductor_id} {host} {backend}")
        self.alive = True

    def unregister_conductor(
        self, conductor_id: str, _seen: datetime.datetime | None = None
    ) -> bool:
        """Say who is removed."""
        self._say(f"unregistered {conductor_id}")
        return True

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the loops have no business with {name}")


class Office:
    """A leadership that can be had, or not."""

    description = "none"
    local = True

    def __init__(self, say: Say) -> None:
        self.free = True
        self.failure: Exception | None = None
        self.lost: Say = say
        self._say = say

    def watch(self, on_loss: Say) -> None:
        """Whom to tell of a loss."""
        self.lost = on_loss

    def acquire(self) -> bool:
        """Whether the office is had."""
        if self.failure:
            raise self.failure
        return self.free

    def held(self) -> bool:
        """Whether the office is had."""
        return self.free

    def release(self) -> None:
        """Say that it was given back."""
        self._say("released")

    def close(self) -> None:
        """Say that it was closed."""
        self._say("office closed")


class Scheduler:
    """Plans what it is told to, or fails as it is told to."""

    def __init__(self, say: Say) -> None:
        self.planned = 0
        self.failure: Exception | None = None
        self._say = say

    def take_office(self) -> None:
        """Begin a term."""
        self._say("term")

    def lead(self) -> int:
        """One cycle."""
        self._say("lead")
        if self.failure:
            raise self.failure
        return self.planned

    def retain(self) -> int:
        """One round of retention."""
        self._say("retain")
        if self.failure:
            raise self.failure
        return self.planned

    def report(self) -> int:
        """Look whether there is something to tell."""
        self._say("report")
        return 0

    def reconcile(self) -> int:
        """Look whether it is time."""
        self._say("reconcile")
        return 0


class Worker:
    """Has work for so many rounds."""

    def __init__(self, say: Say) -> None:
        self.rounds = 0
        self.failure: Exception | None = None
        self.last_words: Exception | None = None
        self._say = say

    @property
    def rest(self) -> datetime.timedelta:
        """Until the next round."""
        return datetime.timedelta(seconds=10)

    def work(self) -> int:
        """One round."""
        self._say("work")
        if self.failure:
            raise self.failure
        self.rounds -= 1
        return int(self.rounds >= 0)

    def after_outage(self) -> None:
        """Say that it was told."""
        self._say("outage")

    def hand_back(self) -> int:
        """Say that it was asked to."""
        if self.last_words:
            raise self.last_words
        self._say("handed back")
        return 3
