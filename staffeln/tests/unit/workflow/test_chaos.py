# SPDX-License-Identifier: Apache-2.0
"""Crashes, lost answers and two workers at once: exactly one backup each.

Every call of a conductor, to the database or to the cloud, is a step. At
any step a script of random events may let the process die before the call,
die after it, lose the cloud's answer, lose the call itself, let another
conductor do a whole round in between, or let time pass.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import enum
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import hypothesis
from hypothesis import strategies as st

from staffeln.domain import errors, model, task
from staffeln.tests import base
from staffeln.tests.unit.workflow import world
from staffeln.tests.unit.workflow.world import SETTLE, SILENCE


class Blow(enum.StrEnum):
    """What may happen at a step."""

    NOTHING = "nothing"
    DIE_BEFORE = "die before the call"
    DIE_AFTER = "die after the call"
    LOSE_CALL = "the call is lost"
    LOSE_ANSWER = "the answer is lost"
    LATE = "no answer, and the call is carried out later"
    DIE_LATE = "die, and the call is carried out later"
    OTHERS = "another conductor does a round"
    LEAD = "the scheduler plans"
    TIME = "time passes"
    STALL = "it stands still and is taken for dead"
    CINDER = "Cinder ends what it does"
    ERROR = "what Cinder does ends in error"


class Killed(BaseException):
    """The process is gone: nothing in it runs any more."""


class Life:
    """One process's life, which ends at some step."""

    def __init__(
        self,
        step: Callable[[str], Blow],
        later: Callable[[Callable[[], Any]], None],
    ) -> None:
        self._step = step
        self._later = later
        self.over = False

    def call(
        self,
        name: str,
        do: Callable[[], Any],
        late: Callable[[], Any],
        *,
        far: bool,
    ) -> Any:
        """Make a call, with whatever happens to it.

        :param late: the same, as a proxy carries it out: it asks nobody
            whether it is in time.
        """
        if self.over:
            raise Killed
        lost: type[errors.StaffelnError] = errors.StoreError
        if far:
            lost = errors.NoAnswerError
        blow = self._step(name)
        if blow is Blow.DIE_BEFORE:
            self.over = True
            raise Killed
        if blow is Blow.LOSE_CALL:
            raise lost("lost on its way")
        may_be_late = name == "create_backup" or name in _WRITES
        if may_be_late and blow in (Blow.LATE, Blow.DIE_LATE):
            self._later(late if far else do)
            self.over = blow is Blow.DIE_LATE
            if self.over:
                raise Killed
            raise lost("timeout")
        answer = do()
        if blow is Blow.DIE_AFTER:
            self.over = True
            raise Killed
        if blow is Blow.LOSE_ANSWER:
            raise lost("lost on its way back")
        return answer


_WRITES = frozenset(
    {
        "advance",
        "cancel_over_quota",
        "claim",
        "free_seats",
        "keep_backup",
        "note_missing",
        "take_over",
        "unregister_conductor",
        "write_plan",
    }
)
"""Of the database: a commit may go on after its client gave up waiting."""


class Through:
    """A port whose calls are steps of a life."""

    def __init__(self, port: Any, life: Life, *, far: bool) -> None:
        self._port = port
        self._life = life
        self._far = far

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._port, name)
        if not callable(value) or name.endswith("_pages"):
            return value

        def step(*args: Any, **kwargs: Any) -> Any:
            return self._life.call(
                name,
                lambda: value(*args, **kwargs),
                lambda: value(args[0]),
                far=self._far,
            )

        return step


@dataclasses.dataclass
class Script:
    """Which blow falls at which step of the whole run."""

    blows: Iterator[tuple[int, Blow]]
    wait: int = -1
    next: Blow = Blow.NOTHING

    def __post_init__(self) -> None:
        self._load()

    def _load(self) -> None:
        self.wait, self.next = next(self.blows, (-1, Blow.NOTHING))

    def step(self) -> Blow:
        """The blow of this step."""
        if self.wait < 0:
            return Blow.NOTHING
        if self.wait:
            self.wait -= 1
            return Blow.NOTHING
        blow = self.next
        self._load()
        return blow

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        return self.wait < 0


class Chaos:
    """A world with two conductors at a time, replaced when they die."""

    def __init__(
        self, volumes: int, script: Script, *, with_history: bool
    ) -> None:
        self.world = world.World(backup_workers=2, max_running_backups=2)
        self.scheduler = self.world.processes["c1"].scheduler
        self.script = script
        self.lives: dict[str, Life] = {}
        self.late: list[Callable[[], Any]] = []
        self.serial = 1
        self.depth = 0
        self.volumes = [self.world.protect() for _ in range(volumes)]
        if with_history:
            self.scheduler.lead()
            for _ in range(volumes + 1):
                self.world.work()
                self.world.cloud.finish_all()
            self.world.pass_time(world.DAY)
        self.before = len(self.world.cloud.backups)
        self.world.kill("c1")
        self.world.store.unregister_conductor("c1")

    # -- processes ---------------------------------------------------------

    def start(self) -> None:
        """Start conductors until there are two."""
        while len(self.lives) < 2:
            self.serial += 1
            name = f"c{self.serial}"
            self.lives[name] = life = Life(
                lambda _, name=name: self.blow(name),  # type: ignore[misc]
                self.late.append,
            )
            try:
                self.world.processes[name] = world.Process(
                    name,
                    Through(self.world.store, life, far=False),
                    Through(self.world.cloud, life, far=True),
                    self.world.settings,
                    self.world.clock,
                )
            except Killed:
                self.bury()
            except errors.StaffelnError:
                life.over = True  # the service ends with one clear line
                self.bury()

    def bury(self) -> None:
        """Forget the dead."""
        for name, life in list(self.lives.items()):
            if life.over:
                del self.lives[name]
                self.world.processes.pop(name, None)

    def round(self, name: str) -> None:
        """A conductor's round, as far as it gets."""
        process = self.world.processes.get(name)
        if process is None:
            return
        # The service's loop logs an error and goes on.
        with contextlib.suppress(Killed, errors.StaffelnError):
            process.work()
        self.world.check()

    def pass_time(
        self, duration: datetime.timedelta, without: str = ""
    ) -> None:
        """Time passes, and who lives and is not kept from it says so."""
        store = self.world.store
        self.world.clock.time += duration
        for name, life in self.lives.items():
            if life.over or name == without:
                continue
            if not store.heartbeat(name):
                store.register_conductor(name, "host", 1, "solo")

    # -- what happens ------------------------------------------------------

    def blow(self, name: str) -> Blow:
        """What happens at a step of a conductor."""
        blow = self.script.step()
        if blow is Blow.OTHERS and self.depth < 2:
            self.others(name)
        elif blow is Blow.STALL and not self.depth:
            # Shorter than the settle time, as the limits of calls are.
            for duration in (SILENCE, 2 * world.POLL, 2 * world.POLL):
                self.pass_time(duration, without=name)
                self.others(name)
        elif blow is Blow.LEAD:
            self.scheduler.lead()
        elif blow is Blow.TIME and not self.depth:
            self.pass_time(2 * world.POLL)
        elif blow is Blow.CINDER:
            self.world.cloud.finish_all()
        elif blow is Blow.ERROR:
            self.world.cloud.finish_all("error")
            self.scheduler.retain()
        return blow

    def carry_out_what_is_late(self) -> None:
        """Proxies, cinder-api and databases go on without their client."""
        while self.late:
            with contextlib.suppress(
                errors.RefusedError, errors.OvertakenError
            ):
                self.late.pop(0)()
        self.world.check()

    def others(self, name: str) -> None:
        """A round of all conductors but one, inside a call of that one."""
        self.depth += 1
        for other in list(self.lives):
            if other != name and not self.lives[other].over:
                self.round(other)
        self.depth -= 1

    def run(self, rounds: int = 60) -> None:
        """Until the script is over, and then in peace to the end."""
        self.scheduler.lead()
        for _ in range(rounds):
            if self.script.over:
                break
            self.start()
            self.pass_time(world.POLL)
            for name in list(self.lives):
                self.round(name)
            self.bury()
            self.carry_out_what_is_late()
            self.world.cloud.finish_all()
        self.carry_out_what_is_late()
        self.script.wait = -1
        self.start()
        durations = [SILENCE, SETTLE, SETTLE, *[world.MINUTE * 5] * 50]
        for duration in durations:
            self.pass_time(duration)
            for name in list(self.lives):
                self.round(name)
            self.scheduler.retain()
            self.world.cloud.finish_all()
            if not self.world.store.tasks(states=task.LIVE):
                break

    # -- how it must end ---------------------------------------------------

    def check_the_end(self) -> None:
        """Nothing lives, and each backup has its row and its task.

        But for what a late call made for a task that another conductor had
        by then: where Cinder took it as the parent of a later incremental,
        it goes with that one.
        """
        w = self.world
        held = {w.cloud.parents.get(each) for each in w.cloud.backups}
        held &= {
            row.id
            for row in w.store.backups(states=[model.BackupState.UNWANTED])
        }
        live = w.store.tasks(states=task.LIVE)
        assert all(work.backup_id in held for work in live), live
        rows = {
            row.id: row
            for row in w.store.backups()
            if row.state is not model.BackupState.VANISHED
        }
        assert rows.keys() == w.cloud.backups.keys()
        succeeded = {
            work.id
            for work in w.store.tasks(kind=task.Kind.BACKUP)
            if work.state is task.State.SUCCEEDED
        }
        wanted = [row for row in rows.values() if row.id not in held]
        assert sorted(succeeded) == sorted(str(row.task_id) for row in wanted)
        for row in wanted:
            assert row.state is model.BackupState.AVAILABLE, row

    def check_each_volume(self) -> None:
        """One new backup for each volume, whatever happened."""
        w = self.world
        rows = {
            row.id: row
            for row in w.store.backups(states=[model.BackupState.AVAILABLE])
        }
        for volume_id in self.volumes:
            made = [each for each in w.made(volume_id) if each.id in rows]
            assert len(made) == 1 + self.before // len(self.volumes), made
            row = rows[made[-1].id]
            assert row.task_id == w.task_of(volume_id).id


def blows(kinds: Sequence[Blow]) -> st.SearchStrategy[list[tuple[int, Blow]]]:
    """Up to eight blows, each so many steps after the one before."""
    return st.lists(
        st.tuples(st.integers(0, 40), st.sampled_from(kinds)), max_size=8
    )


KINDS = [blow for blow in Blow if blow not in (Blow.NOTHING, Blow.ERROR)]


class ChaosTest(base.TestCase):
    @hypothesis.settings(max_examples=150)
    @hypothesis.given(st.integers(1, 4), st.booleans(), blows(KINDS))
    def test_exactly_one_backup_for_each_volume(
        self, volumes: int, with_history: bool, script: list[tuple[int, Blow]]
    ) -> None:
        chaos = Chaos(volumes, Script(iter(script)), with_history=with_history)
        chaos.run()
        chaos.check_the_end()
        chaos.check_each_volume()

    @hypothesis.settings(max_examples=150)
    @hypothesis.given(
        st.integers(1, 3), st.booleans(), blows([*KINDS, Blow.ERROR])
    )
    def test_errors_leave_nothing_behind(
        self, volumes: int, with_history: bool, script: list[tuple[int, Blow]]
    ) -> None:
        chaos = Chaos(volumes, Script(iter(script)), with_history=with_history)
        chaos.run()
        chaos.check_the_end()

    def test_a_crash_at_every_step(self) -> None:
        """Before and after each call of a cycle of three volumes."""
        for blow in (Blow.DIE_BEFORE, Blow.DIE_AFTER):
            for step in range(200):
                script = Script(iter([(step, blow)]))
                chaos = Chaos(3, script, with_history=False)
                chaos.run(rounds=4)
                chaos.check_the_end()
                chaos.check_each_volume()
                if not chaos.serial > 3:
                    break
            else:
                self.fail("a cycle has more steps than expected")
            self.assertGreater(step, 20)

    def test_every_lost_call_and_answer(self) -> None:
        for blow in (Blow.LOSE_CALL, Blow.LOSE_ANSWER, Blow.LATE):
            for step in range(80):
                script = Script(iter([(step, blow)]))
                chaos = Chaos(2, script, with_history=True)
                chaos.run()
                chaos.check_the_end()
                chaos.check_each_volume()

    def test_two_crashes_and_a_lost_answer(self) -> None:
        for first in range(0, 60, 3):
            script = Script(
                iter(
                    [
                        (first, Blow.LOSE_ANSWER),
                        (first % 7, Blow.DIE_AFTER),
                        (first % 5, Blow.DIE_BEFORE),
                    ]
                )
            )
            chaos = Chaos(2, script, with_history=False)
            chaos.run()
            chaos.check_the_end()
            chaos.check_each_volume()
