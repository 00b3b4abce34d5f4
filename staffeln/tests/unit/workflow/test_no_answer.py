# SPDX-License-Identifier: Apache-2.0
"""Create calls without a clear answer: looked up before another follows."""

from __future__ import annotations

from collections.abc import Callable

from staffeln.domain import errors, model, task
from staffeln.tests.unit.workflow import world
from staffeln.tests.unit.workflow.world import DAY, SECOND, SETTLE
from staffeln.workflow import outcome

State = task.State

TIMEOUT = errors.NoAnswerError("Cinder: gateway timeout", status=504)


class NoAnswerTest(world.WorldTest):
    def setUp(self) -> None:
        super().setUp()
        self.w = self.new_world()
        self.volume_id = self.w.protect()

    def current(self) -> task.Task:
        return self.w.task_of(self.volume_id)

    def test_made_all_the_same(self) -> None:
        w = self.w
        w.lead()
        w.cloud.fail("create_backup", TIMEOUT, after=True)
        w.work()
        (made,) = w.made(self.volume_id)
        self.assertEqual(State.RUNNING, self.current().state)
        self.assertEqual(made.id, self.current().backup_id)
        self.assertIn("adopted", self.current().reason)
        w.cloud.finish_all()
        w.work()
        (row,) = w.rows(self.volume_id)
        self.assertEqual(model.BackupState.AVAILABLE, row.state)
        self.assertEqual(1, w.cloud.count("create_backup"))

    def test_ended_before_it_was_found(self) -> None:
        w = self.w
        w.lead()
        w.cloud.fail("create_backup", TIMEOUT, after=True)
        w.cloud.fail("backups_of_volume", TIMEOUT, times=3)
        w.work()
        self.assertEqual(State.STARTING, self.current().state)
        w.cloud.finish_all()
        w.work(5)
        self.assertEqual(State.SUCCEEDED, self.current().state)
        self.assertEqual(1, len(w.made(self.volume_id)))

    def test_made_nothing_is_known_only_after_the_settle_time(self) -> None:
        w = self.w
        w.lead()
        w.cloud.fail("create_backup", TIMEOUT)
        w.work()
        called = w.clock()
        while w.clock() - called < SETTLE - world.POLL:
            w.work()
            self.assertEqual(State.STARTING, self.current().state)
            self.assertEqual(1, w.cloud.count("create_backup"))
        w.work()
        self.assertEqual(State.PLANNED, self.current().state)
        self.assertIn("attempt 1 made nothing", self.current().reason)
        self.assertIn("gateway timeout", self.current().reason)
        w.work()
        self.assertEqual((State.RUNNING, 2), self.state_and_attempt())
        self.assertEqual(1, len(w.made(self.volume_id)))

    def state_and_attempt(self) -> tuple[State, int]:
        return self.current().state, self.current().attempt

    def test_carried_out_late(self) -> None:
        """Proxies and cinder-api go on after a client has left."""
        w = self.w
        w.lead()
        w.cloud.fail("create_backup", TIMEOUT)
        w.work(3)
        request = next(
            call.args[0]
            for call in w.cloud.calls
            if call.name == "create_backup"
        )
        assert isinstance(request, model.BackupRequest)
        w.cloud.create_backup(request)
        w.work()
        self.assertEqual((State.RUNNING, 1), self.state_and_attempt())

    def test_carried_out_even_later(self) -> None:
        """After the settle time: the next attempt is told 400 and looks."""
        w = self.w
        w.lead()
        w.cloud.fail("create_backup", TIMEOUT)
        w.work()
        w.pass_time(SETTLE)
        w.work()
        self.assertEqual(State.PLANNED, self.current().state)
        request = next(
            call.args[0]
            for call in w.cloud.calls
            if call.name == "create_backup"
        )
        assert isinstance(request, model.BackupRequest)
        made = w.cloud.create_backup(request)
        w.work()
        self.assertEqual((State.RUNNING, 2), self.state_and_attempt())
        self.assertEqual(made, self.current().backup_id)
        self.assertEqual(1, len(w.made(self.volume_id)))

    def test_a_malformed_answer_is_looked_up(self) -> None:
        w = self.w
        w.lead()
        w.cloud.fail(
            "create_backup",
            errors.MalformedAnswerError("no id in it"),
            after=True,
        )
        w.work()
        self.assertEqual(State.RUNNING, self.current().state)

    def test_no_answer_for_ever_ends(self) -> None:
        w = self.w
        w.lead()
        w.cloud.fail("create_backup", TIMEOUT, times=99)
        for _ in range(2 * outcome.MOST_ATTEMPTS + 2):
            w.pass_time(SETTLE)
            w.work()
        self.assertEqual(State.FAILED, self.current().state)
        self.assertEqual(10, w.cloud.count("create_backup"))

    def test_an_earlier_attempt_that_is_known_is_not_adopted(self) -> None:
        """The failed incremental of attempt 1 answers for no other."""
        w = self.w
        w.backup_cycle()
        w.pass_time(DAY)
        w.lead()
        w.work()
        w.cloud.finish_all("error")
        w.cloud.fail("create_backup", TIMEOUT)
        w.work(2)
        self.assertEqual((State.STARTING, 2), self.state_and_attempt())
        broken = w.rows(self.volume_id)[1]
        self.assertEqual(model.BackupState.UNWANTED, broken.state)
        w.pass_time(SETTLE)
        w.work(2)
        self.assertEqual((State.RUNNING, 3), self.state_and_attempt())
        self.assertEqual(
            broken, w.store.get_backup(broken.id), "its row changed"
        )
        w.cloud.finish_all()
        w.work()
        self.assertEqual(State.SUCCEEDED, self.current().state)

    def test_nor_when_somebody_else_backs_the_volume_up(self) -> None:
        w = self.w
        w.backup_cycle()
        w.pass_time(DAY)
        w.lead()
        w.work()
        w.cloud.finish_all("error")
        w.processes["c1"].worker._follower.poll(w.clock())
        w.cloud.add_backup("p", self.volume_id, status="creating")
        w.cloud.change_volume(self.volume_id, status="backing-up")
        w.work(2)
        self.assertEqual(State.STARTING, self.current().state)
        w.pass_time(SETTLE)
        w.work()
        self.assertEqual(State.PLANNED, self.current().state)
        self.assertIn("postponed", self.current().reason)
        broken = w.rows(self.volume_id)[1]
        self.assertEqual(model.BackupState.UNWANTED, broken.state)

    def test_an_adopted_one_that_failed(self) -> None:
        w = self.w
        w.lead()
        w.cloud.fail("create_backup", TIMEOUT, after=True)
        w.cloud.fail("backups_of_volume", TIMEOUT)
        w.work()
        w.cloud.finish_all("error")
        w.work(2)
        self.assertEqual(State.FAILED, self.current().state)
        (row,) = w.rows(self.volume_id)
        self.assertEqual(model.BackupState.UNWANTED, row.state)

    def test_the_settle_time_counts_from_the_end_of_the_call(self) -> None:
        w = self.w
        w.lead()

        def hang(_: object) -> bool:
            w.clock.time += SETTLE - SECOND
            return True

        w.cloud.fail("create_backup", TIMEOUT, when=hang)
        w.processes["c1"].work()
        ended = w.clock()
        while w.clock() - ended < SETTLE - world.POLL:
            w.work()
            self.assertEqual(State.STARTING, self.current().state)

    def test_a_task_that_can_never_be_looked_up_ends_unsettled(self) -> None:
        w = self.w
        w.lead()
        w.cloud.fail("create_backup", TIMEOUT)
        w.cloud.fail("backups_of_volume", TIMEOUT, times=100_000)
        w.work()
        w.pass_time(2 * DAY)
        w.work()
        self.assertEqual(State.FAILED, self.current().state)
        self.assertTrue(self.current().unsettled)
        self.assertIn("could not be looked up for 1d", self.current().reason)

    def test_stopped_before_it_was_sent_it_is_handed_back(self) -> None:
        w = self.w
        w.lead()
        w.cloud.fail("create_backup", errors.StoppedError("it is to end"))
        w.work()
        self.assertEqual(State.PLANNED, self.current().state)
        self.assertIsNone(w.store.volume_record(self.volume_id))
        w.work()
        self.assertEqual(State.RUNNING, self.current().state)

    def test_made_for_a_task_that_somebody_else_has_it_is_removed(
        self,
    ) -> None:
        w = self.w
        w.lead()
        w.store.register_conductor("c2", "host", 2, "solo")
        real = w.cloud.create_backup

        def taken_over_meanwhile(
            request: model.BackupRequest,
            in_time: Callable[[], bool] = lambda: True,
        ) -> str:
            made = real(request, in_time)
            w.store.take_over([self.current()], "c2", w.clock(), "silent")
            return made

        w.cloud.create_backup = taken_over_meanwhile  # type: ignore[method-assign]
        w.work()
        (row,) = w.rows(self.volume_id)
        self.assertEqual(model.BackupState.UNWANTED, row.state)
        self.assertEqual("c2", self.current().claimed_by)

    def test_unless_that_one_adopts_it(self) -> None:
        self.test_made_for_a_task_that_somebody_else_has_it_is_removed()
        w = self.w
        process = w.start_conductor("c2b")
        process.worker._recorder.conductor_id = "c2"
        w.work()
        w.cloud.finish_all()
        w.work()
        self.assertEqual(State.SUCCEEDED, self.current().state)
        (row,) = w.rows(self.volume_id)
        self.assertEqual(model.BackupState.AVAILABLE, row.state)
        # A removal that was planned meanwhile leaves it alone.
        self.assertEqual(0, w.retain())
