# SPDX-License-Identifier: Apache-2.0
"""A chaos run: quiet, trouble, quiet again, and the last look."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence

from staffeln.tests.servers.process import ServerError
from tools.chaos import faults, launcher, observer, settings, world
from tools.chaos.database import Database, Violation
from tools.chaos.observer import Observer

QUIET_LIMIT = 600
"""Seconds after the last fault in which all has to be in order."""
STARTS_LIMIT = 240
LOOK_EVERY = 4.0
MOST_AT_ONCE = 3
VIOLATIONS_SHOWN = 20


@dataclasses.dataclass
class Story:
    """What a run came to."""

    seed: str
    struck: Counter[str] = dataclasses.field(default_factory=Counter)
    violations: list[Violation] = dataclasses.field(default_factory=list)
    seconds: float = 0.0
    figures: dict[str, object] = dataclasses.field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Whether everything held, and something had gone wrong."""
        return not self.violations and self.struck.total() > 0


@dataclasses.dataclass
class _Under:
    """A fault that was struck."""

    fault: faults.Fault
    until: float
    mend: Callable[[], None]


class Run:
    """One run on a world and a scene."""

    def __init__(
        self,
        here: world.World,
        scene: world.Scene,
        *,
        seed: str,
        only: Sequence[str] = (),
        tell: Callable[[str], None],
    ) -> None:
        self._here = here
        self._scene = scene
        self._dice = random.Random(seed)
        self._faults = [
            each
            for each in faults.FAULTS
            if not only or any(word in each.name for word in only)
        ]
        self._tell_line = tell
        self._began = time.monotonic()
        self._looked_at = 0.0
        self._going_on: list[_Under] = []
        self.story = Story(seed)

    def run(self, seconds: float, *, stop_at_violation: bool) -> Story:
        """Trouble for so many seconds; the whole takes some minutes more."""
        self._database = Database(self._here.mariadb)
        self._observer = Observer(self._here, self._database)
        for each in self._here.conductors:
            each.begin()
        try:
            self._wait_for_first_backups()
            self._trouble(seconds, stop_at_violation=stop_at_violation)
            self._mend(everything=True)
            if not (stop_at_violation and self.story.violations):
                self._wait_until_all_is_well()
        finally:
            self._mend(everything=True)
        self._sum_up()
        return self.story

    # -- before ------------------------------------------------------------

    def _wait_for_first_backups(self) -> None:
        end = time.monotonic() + STARTS_LIMIT
        few = len(self._scene.volumes) // 4
        while time.monotonic() < end:
            good = self._database.counts(
                "SELECT 'good' AS name, COUNT(*) AS number FROM backups "
                "WHERE state = 'available'"
            )
            if good["good"] >= few:
                return
            self._here.wake_the_still(lambda _: 0.0)
            self._look()
            time.sleep(1)
        raise RuntimeError("nothing was backed up before the first fault")

    # -- trouble -----------------------------------------------------------

    def _trouble(self, seconds: float, *, stop_at_violation: bool) -> None:
        self._tell(f"faults for {seconds:.0f} s, seed {self.story.seed}")
        end = time.monotonic() + seconds
        next_at = 0.0
        while time.monotonic() < end:
            self._mend()
            if time.monotonic() >= next_at:
                self._strike()
                next_at = time.monotonic() + self._dice.uniform(1, 6)
            for line in self._here.wake_the_still(self._still_for):
                self._tell(line)
            self._look()
            if stop_at_violation and self.story.violations:
                return
            time.sleep(0.5)

    def _strike(self) -> None:
        taken = {each.fault.what for each in self._going_on}
        free = [each for each in self._faults if each.what not in taken]
        if not free or len(self._going_on) >= MOST_AT_ONCE:
            return
        (fault,) = self._dice.choices(free, [each.weight for each in free])
        seconds = self._dice.uniform(fault.longest / 3, fault.longest)
        try:
            mend = fault.strike(self._here, self._dice)
        except ServerError as error:
            self._tell(f"{fault.name} failed: {error}")
            return
        self.story.struck[fault.name] += 1
        self._tell(f"{fault.name}, {seconds:.0f} s")
        self._going_on.append(_Under(fault, time.monotonic() + seconds, mend))

    def _still_for(self, where: str) -> float:
        """Long enough for others to take the office, or the tasks."""
        if where == launcher.PLAN:
            return self._dice.uniform(2 * settings.LEASE["lease_duration"], 24)
        return self._dice.uniform(settings.SILENCE + 1, 18)

    def _mend(self, *, everything: bool = False) -> None:
        now = time.monotonic()
        for each in list(self._going_on):
            if everything or now >= each.until:
                self._going_on.remove(each)
                each.mend()
        if not everything:
            return
        for conductor in self._here.conductors:
            conductor.go_on()
            conductor.begin()
        self._here.be_quiet()
        self._here.wake_the_still(lambda _: 0.0)

    # -- after -------------------------------------------------------------

    def _wait_until_all_is_well(self) -> None:
        """Every volume gets another backup, and nothing is left undone."""
        while True:
            with contextlib.suppress(*observer.AWAY):
                since = self._database.now()
                break
            time.sleep(1)
        self._tell("faults end; every volume has to be backed up again")
        end = time.monotonic() + QUIET_LIMIT
        left: list[str] = list(self._scene.volumes)
        rest: list[Violation] = []
        while time.monotonic() < end:
            # One may have stopped itself just before that was over.
            self._here.wake_the_still(lambda _: 0.0)
            self._look()
            left = self._database.unprotected(self._scene.volumes, since)
            if not left:
                rest = self._observer.unsettled()
                if not rest:
                    return
            time.sleep(2)
        self._violated([Violation("not backed up", each) for each in left])
        self._violated(rest)

    # -- looking -----------------------------------------------------------

    def _look(self) -> None:
        if time.monotonic() - self._looked_at < LOOK_EVERY:
            return
        self._violated(self._observer.look())
        self._looked_at = time.monotonic()

    def _violated(self, found: Sequence[Violation]) -> None:
        self.story.violations += found
        for each in found:
            self._tell(f"VIOLATION: {each.sort}: {each.words}")

    def _tell(self, line: str) -> None:
        at = datetime.datetime.now(datetime.UTC).strftime("%H:%M:%S")
        took = time.monotonic() - self._began
        self._tell_line(f"{at} {took:6.1f} s  {line}")

    def _sum_up(self) -> None:
        counts = self._database.counts
        creates = self._here.proxy.calls("POST", faults.CREATE)
        adopted = counts(
            "SELECT 'adopted' AS name, COUNT(*) AS number FROM task_events "
            "WHERE to_state = 'running' AND reason LIKE 'adopted%%'"
        )
        taken_over = counts(
            "SELECT 'n' AS name, COUNT(*) AS number FROM task_events "
            "WHERE from_state = to_state"
        )
        terms = counts(
            "SELECT 'terms' AS name, MAX(term) AS number FROM scheduler_term"
        )
        self.story.seconds = time.monotonic() - self._began
        self.story.figures = {
            "create calls": len(creates),
            "create calls without an answer": sum(
                each.status == 0 for each in creates
            ),
            "adopted": adopted["adopted"],
            "tasks taken over from the dead": taken_over["n"],
            "terms": terms["terms"],
            **{
                f"tasks {state}": number
                for state, number in counts(
                    "SELECT CONCAT(kind, ' ', state) AS name, COUNT(*) AS "
                    "number FROM tasks GROUP BY kind, state ORDER BY 1"
                ).items()
            },
            **{
                f"rows {state}": number
                for state, number in counts(
                    "SELECT state AS name, COUNT(*) AS number FROM backups "
                    "GROUP BY state ORDER BY 1"
                ).items()
            },
            **{
                f"calls harmed: {how}": number
                for how, number in sorted(self._here.harmed.items())
            },
            **{
                f"stood still {where}": number
                for where, number in sorted(self._here.stood_still.items())
            },
            "most running at once": (
                f"{self._observer.most_running} of {settings.LIMIT}"
            ),
            "looks": self._observer.looks,
            "looks that found something away": self._observer.missed,
        }


def table(story: Story) -> str:
    """What a run came to, for people."""
    sorts = Counter(each.sort for each in story.violations)
    lines = [
        f"seed {story.seed}, {story.seconds / 60:.1f} min, "
        f"{story.struck.total()} faults, {len(story.violations)} violations",
        "",
        *(f"{name:40} {count:6}" for name, count in story.struck.items()),
        "",
        *(f"{name:40} {value!s:>6}" for name, value in story.figures.items()),
        "",
    ]
    lines += [f"VIOLATED {name}: {count}" for name, count in sorts.items()]
    return "\n".join(lines)
