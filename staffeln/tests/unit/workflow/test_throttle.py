# SPDX-License-Identifier: Apache-2.0
"""How many backups run at once, over all conductors, and whose."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from staffeln.domain import durations, errors, model, task
from staffeln.tests.unit.workflow import world
from staffeln.tests.unit.workflow.world import DAY, HOUR, SILENCE
from staffeln.workflow import capacity

State = task.State


class ThrottleTest(world.WorldTest):
    def creating(self, w: world.World) -> Counter[str]:
        """What Cinder is at work on, by project."""
        return Counter(
            each.project_id
            for each in w.cloud.backups.values()
            if each.status == "creating"
        )

    def drain(self, w: world.World, limit: int) -> None:
        """Let all be backed up, and never more at once than the limit."""
        for _ in range(100):
            w.work()
            busy = self.creating(w)
            self.assertLessEqual(busy.total(), limit)
            if not w.store.tasks(kind=task.Kind.BACKUP, states=task.LIVE):
                return
            w.cloud.finish_all()
        self.fail("it does not come to an end")

    def test_a_limit_of_all_conductors_together(self) -> None:
        w = self.new_world(conductors=3, max_running_backups=5)
        volumes = [w.protect() for _ in range(23)]
        w.lead()
        w.work(3)
        self.assertEqual(5, self.creating(w).total())
        self.drain(w, 5)
        for each in volumes:
            self.assertEqual(State.SUCCEEDED, w.task_of(each).state)

    def test_eight_for_each_service_that_is_up(self) -> None:
        w = self.new_world(max_running_backups=None, backup_workers=50)
        for _ in range(40):
            w.protect()
        w.cloud.services = [service("a"), service("b"), service("c", up=False)]
        w.lead()
        w.work(2)
        self.assertEqual(2 * capacity.PER_SERVICE, self.creating(w).total())

    def test_without_a_service_nothing_is_begun(self) -> None:
        for limit in (None, 0, 7):
            w = self.new_world(max_running_backups=limit)
            volume_id = w.protect()
            w.lead()
            w.cloud.services = [service("a", up=False)]
            w.work(3)
            self.assertEqual(State.PLANNED, w.task_of(volume_id).state)
            w.cloud.services = [service("a")]
            w.work()
            self.assertEqual(State.RUNNING, w.task_of(volume_id).state)

    def test_a_cloud_that_cannot_be_asked_starts_nothing(self) -> None:
        w = self.new_world(max_running_backups=None)
        volume_id = w.protect()
        w.lead()
        w.cloud.fail("backup_services", errors.NoAnswerError("503"))
        w.work()
        self.assertEqual(State.PLANNED, w.task_of(volume_id).state)
        self.assertIn("cannot be asked for: 503", self.log.output)
        w.work()
        self.assertEqual(State.RUNNING, w.task_of(volume_id).state)

    def test_without_work_the_services_are_not_asked_for(self) -> None:
        w = self.new_world(max_running_backups=None)
        before = w.cloud.count("backup_services")
        w.work(5)
        self.assertEqual(before, w.cloud.count("backup_services"))

    def test_what_timed_out_counts_until_cinder_is_done(self) -> None:
        w = self.new_world(
            max_running_backups=1,
            backup_cycle_timeout=durations.Duration(hours=1),
        )
        slow, waiting = w.protect(), w.protect()
        w.lead()
        w.work()
        slow, waiting = sorted(
            (slow, waiting),
            key=lambda each: w.task_of(each).state != "running",
        )
        w.pass_time(HOUR)
        w.work(2)
        self.assertEqual(State.FAILED, w.task_of(slow).state)
        self.assertEqual(State.PLANNED, w.task_of(waiting).state)
        self.assertEqual(1, self.creating(w).total())
        w.cloud.finish_all()
        w.work(2)
        self.assertEqual(State.RUNNING, w.task_of(waiting).state)

    def test_what_timed_out_and_is_gone_counts_no_more(self) -> None:
        w = self.new_world(
            max_running_backups=1,
            backup_cycle_timeout=durations.Duration(hours=1),
        )
        w.protect()
        w.lead()
        w.work()
        w.pass_time(HOUR)
        w.work()
        self.assertEqual(1, len(w.store.overdue()))
        w.cloud.backups.clear()
        w.work()
        self.assertEqual([], w.store.overdue())

    def test_a_project_has_a_limit_of_its_own(self) -> None:
        w = self.new_world(
            conductors=2,
            max_running_backups=10,
            max_running_backups_per_project=2,
        )
        w.cloud.add_project("q")
        for _ in range(9):
            w.protect()
        for _ in range(3):
            w.protect("q")
        w.lead()
        w.work(3)
        self.assertEqual({"p": 2, "q": 2}, dict(self.creating(w)))

    def test_a_large_project_does_not_starve_one_that_comes_later(
        self,
    ) -> None:
        w = self.new_world(max_running_backups=2)
        for _ in range(60):
            w.protect()
        w.lead()
        for _ in range(5):
            w.work()
            w.cloud.finish_all()
        w.cloud.add_project("q")
        late = [w.protect("q") for _ in range(3)]
        w.lead()
        for _ in range(8):
            w.work()
            w.cloud.finish_all()
        w.work()
        self.assertEqual(
            {State.SUCCEEDED}, {w.task_of(each).state for each in late}
        )
        waiting = w.store.tasks(states=[State.PLANNED])
        self.assertGreater(len(waiting), 30)


class LateTest(world.WorldTest):
    def test_a_process_that_stood_still_sends_nothing(self) -> None:
        """It is taken for dead: the others may have made a backup."""
        w = self.new_world(conductors=2)
        volume_id = w.protect()
        w.lead()
        worker = w.processes["c1"].worker
        seconds = [0.0]
        worker._starter._clock = lambda: seconds[0]
        real = w.cloud.create_backup

        def stand_still(
            request: model.BackupRequest,
            in_time: Callable[[], bool] = lambda: True,
        ) -> str:
            seconds[0] += SILENCE.total_seconds()
            return real(request, in_time)

        w.cloud.create_backup = stand_still  # type: ignore[method-assign]
        worker.work()
        self.assertEqual([], w.made(volume_id))
        self.assertEqual(State.PLANNED, w.task_of(volume_id).state)
        self.assertIn("nothing was sent", w.task_of(volume_id).reason)
        self.assertIsNone(w.store.volume_record(volume_id))


class OfficeTest(world.WorldTest):
    def test_without_the_office_nothing_is_written(self) -> None:
        w = self.new_world()
        w.protect()
        w.processes["c1"].held = False
        error = self.assertRaises(errors.OvertakenError, w.lead)
        self.assertIn("nothing is written", str(error))
        self.assertEqual([], w.store.tasks())

    def test_a_harvest_ends_with_the_office(self) -> None:
        w = self.new_world(page_size=2)
        for _ in range(20):
            w.protect()
        process = w.processes["c1"]
        pages = w.cloud.server_pages

        def lost_after_a_page() -> object:
            for page in pages():
                yield page
                process.held = False

        w.cloud.server_pages = lost_after_a_page  # type: ignore[assignment,method-assign]
        before = w.cloud.count("server_pages")
        self.assertRaises(errors.OvertakenError, w.lead)
        self.assertLessEqual(w.cloud.count("server_pages") - before, 2)
        self.assertEqual([], w.store.tasks())

    def test_overtaken_it_writes_nothing_and_says_so(self) -> None:
        w = self.new_world(conductors=2)
        w.protect()
        w.processes["c2"].scheduler.take_office()
        error = self.assertRaises(errors.OvertakenError, w.lead)
        self.assertIn("is over", str(error))
        self.assertEqual([], w.store.tasks())
        w.pass_time(DAY)
        self.assertEqual(1, w.lead("c2"))


def service(host: str, *, up: bool = True) -> model.BackupService:
    """A cinder-backup service."""
    return model.BackupService(host=host, enabled=True, up=up)
