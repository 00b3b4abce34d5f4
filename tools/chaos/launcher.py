# SPDX-License-Identifier: Apache-2.0
"""A conductor that stands still at the worst moments.

The same code as ``staffeln-conductor``, with some places at which the
process stops itself now and then (SIGSTOP), until the run lets it go on:
just before a scheduler's transaction; between the saving of an attempt and
its call, before the last look at the clock and after it; and between
Cinder's answer and its recording. A random moment would hardly ever be one
of these.
"""

from __future__ import annotations

import functools
import os
import pathlib
import random
import signal
import sys
from collections.abc import Callable
from typing import Any

from staffeln import ports
from staffeln.cmd import conductor
from staffeln.db.store import SqlStore
from staffeln.domain import task
from staffeln.engines.cinder import CinderEngine
from tools.chaos import plants

STOPS = "STAFFELN_CHAOS_STOPS"
"""The folder in which a process notes that it stands still."""
SEED = "STAFFELN_CHAOS_SEED"
PLANT = "STAFFELN_CHAOS_PLANT"

QUIET = "quiet"
"""A file of that folder; once it is there, nobody stops himself."""
PLAN = "before a plan"

BEFORE_A_PLAN = 0.3
BEFORE_A_CALL = 0.01
CALL_IN_HAND = 0.02
AFTER_AN_ANSWER = 0.015
"""How often each happens, of the times that it could."""


class _Moments:
    """Decides by the seed, and stands still."""

    def __init__(self) -> None:
        self._pid = 0
        self._dice = random.Random()

    def stand_still(self, share: float, where: str) -> None:
        """Stop this whole process now and then."""
        if os.getpid() != self._pid:
            # After a fork, and after a restart, another sequence.
            self._pid = os.getpid()
            self._dice = random.Random(f"{os.environ[SEED]} {self._pid}")
        folder = pathlib.Path(os.environ[STOPS])
        if self._dice.random() >= share or (folder / QUIET).exists():
            return
        (folder / f"{self._pid}").write_text(where)
        os.kill(self._pid, signal.SIGSTOP)


def _before(
    moments: _Moments, real: Callable[..., Any], share: float, where: str
) -> Callable[..., Any]:
    @functools.wraps(real)
    def call(*args: Any, **kwargs: Any) -> Any:
        if _matters(args):
            moments.stand_still(share, where)
        return real(*args, **kwargs)

    return call


def _matters(args: tuple[Any, ...]) -> bool:
    """Whether a call would change anything: most plans are empty."""
    return all(
        bool(each.tasks) for each in args if isinstance(each, ports.PlanRecord)
    )


def _after(
    moments: _Moments, real: Callable[..., Any], share: float, where: str
) -> Callable[..., Any]:
    @functools.wraps(real)
    def call(*args: Any, **kwargs: Any) -> Any:
        result = real(*args, **kwargs)
        moments.stand_still(share, where)
        return result

    return call


def _in_hand(
    moments: _Moments, real: Callable[..., Any], share: float, where: str
) -> Callable[..., Any]:
    """Stand still when all is ready, the clock was asked, and it is sent."""

    @functools.wraps(real)
    def start(
        engine: CinderEngine,
        work: task.Task,
        deployment_uuid: str,
        in_time: Callable[[], bool],
    ) -> Any:
        def last_look() -> bool:
            fine = in_time()
            if fine:
                moments.stand_still(share, where)
            return fine

        return real(engine, work, deployment_uuid, last_look)

    return start


def main() -> int:
    """Patch, and be a conductor."""
    moments = _Moments()
    changes: list[tuple[type, str, Callable[..., Any], float, str]] = [
        (SqlStore, "write_plan", _before, BEFORE_A_PLAN, PLAN),
        (CinderEngine, "start", _in_hand, CALL_IN_HAND, "with a call in hand"),
        (CinderEngine, "start", _before, BEFORE_A_CALL, "before a call"),
        (CinderEngine, "start", _after, AFTER_AN_ANSWER, "after an answer"),
    ]
    for owner, name, wrap, share, where in changes:
        real = getattr(owner, name)
        setattr(owner, name, wrap(moments, real, share, where))
    planted = os.environ.get(PLANT)
    if planted:
        plants.PLANTS[planted]()
    return conductor.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
