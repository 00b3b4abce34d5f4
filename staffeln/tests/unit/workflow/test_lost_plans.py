# SPDX-License-Identifier: Apache-2.0
"""A scheduler whose database goes away, at any of its calls."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable
from typing import Any

from staffeln.domain import errors, model, task
from staffeln.tests import base
from staffeln.tests.unit.workflow import test_chaos, world
from staffeln.tests.unit.workflow.test_chaos import Blow
from staffeln.workflow import cycle

VOLUMES = 3
MOST_STEPS = 60


class LostPlanTest(base.TestCase):
    def test_nothing_is_planned_twice_and_nothing_is_left(self) -> None:
        """Written or not, or written when the next cycle has begun."""
        for blow in (Blow.LOSE_CALL, Blow.LOSE_ANSWER, Blow.LATE):
            for step in range(MOST_STEPS):
                with self.subTest(blow=blow, step=step):
                    if not self.cycles(step, blow):
                        break
            else:
                self.fail("a cycle has more steps than expected")
            self.assertGreater(step, 8)

    def cycles(self, step: int, blow: Blow) -> bool:
        """Whether there was such a step, in a term's first cycle."""
        w = self.world_in_use()
        late: list[Callable[[], Any]] = []
        left = [step]

        def strike(_: str) -> Blow:
            left[0] -= 1
            return blow if left[0] == -1 else Blow.NOTHING

        life = test_chaos.Life(strike, late.append)
        scheduler = cycle.Scheduler(
            test_chaos.Through(w.store, life, far=False),
            w.cloud,
            w.settings,
            "c1",
            held=lambda: True,
            host_time=w.clock,
        )
        for _ in range(2):
            try:
                scheduler.take_office()
                scheduler.lead()
                scheduler.retain()
            except errors.StoreError:
                continue
            break
        for each in late:
            with contextlib.suppress(errors.OvertakenError):
                each()
        self.check_plan(w)
        for _ in range(4):
            w.work(2)
            w.cloud.finish_all()
        self.check_the_end(w)
        return left[0] < 0

    def world_in_use(self) -> world.World:
        """The backup of one volume failed: it is to go."""
        w = world.World(backup_workers=VOLUMES)
        for number in range(VOLUMES):
            w.protect()
            w.backup_cycle("available" if number else "error")
        w.pass_time(world.DAY)
        return w

    def check_plan(self, w: world.World) -> None:
        """One task for each volume, and for what is to go."""
        w.check()
        planned = w.store.tasks(states=[task.State.PLANNED])
        kinds = Counter(work.kind for work in planned)
        self.assertEqual(
            {task.Kind.BACKUP: VOLUMES, task.Kind.DELETE: 1}, dict(kinds)
        )
        for work in planned:
            self.assertEqual(["planned"], w.story(work))

    def check_the_end(self, w: world.World) -> None:
        """Each volume has one backup more, and what was to go is gone."""
        w.check()
        self.assertEqual([], w.store.tasks(states=task.LIVE))
        rows = w.store.backups()
        self.assertEqual(
            {model.BackupState.AVAILABLE}, {row.state for row in rows}
        )
        self.assertEqual({row.id for row in rows}, set(w.cloud.backups))
        made = Counter(row.volume_id for row in rows)
        self.assertEqual([1, 2, 2], sorted(made.values()))
