# SPDX-License-Identifier: Apache-2.0
"""The loops: what is due when, and what a failure leads to."""

from __future__ import annotations

import datetime
import threading

from staffeln import ports
from staffeln.conductor import loops
from staffeln.conductor.rounds import Rhythm
from staffeln.domain import errors
from staffeln.tests import base
from staffeln.tests.unit.conductor import stand_ins

NOW = datetime.datetime(2026, 1, 1, 12)  # noqa: DTZ001  UTC without a zone
RHYTHM = Rhythm(
    backup_service_period=1800,
    retention_service_period=1200,
    task_poll_period=10,
    heartbeat_period=15,
    office_period=2,
    heartbeat_timeout=datetime.timedelta(minutes=1),
)


def conductor(id_: str, host: str) -> ports.Conductor:
    return ports.Conductor(
        id=id_,
        host=host,
        pid=7,
        backend="none",
        started_at=NOW,
        heartbeat_at=NOW,
    )


ME = conductor("me", "here")


class LoopTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.turns = 0
        self.failures: list[Exception] = []

    def loop(self, last: int) -> loops.Loop:
        """A loop that ends with its turn of that number."""

        def turn() -> float:
            self.turns += 1
            if self.turns == last:
                made.stop()
            if self.failures:
                raise self.failures.pop(0)
            return 0.0

        made = loops.Loop("Test", turn, 0.0)
        return made

    def test_turns_until_it_is_stopped(self) -> None:
        self.loop(3).run()
        self.assertEqual(3, self.turns)

    def test_runs_in_a_thread_of_its_own(self) -> None:
        made = self.loop(2)
        made.start()
        made.join()
        self.assertEqual(2, self.turns)

    def test_an_error_of_ours_is_one_line_and_the_loop_goes_on(self) -> None:
        self.failures = [errors.StoreError("database away")]
        self.loop(2).run()
        self.assertEqual(2, self.turns)
        self.assertIn(
            "ERROR staffeln.conductor.loops: Test: database away",
            self.log.output,
        )
        shown = [
            line
            for line in self.log.output.splitlines()
            if line.startswith("ERROR")
        ]
        self.assertEqual(1, len(shown))
        self.assertIn(
            "DEBUG staffeln.conductor.loops: Test failed", self.log.output
        )

    def test_a_call_that_the_end_cuts_off_is_no_error(self) -> None:
        self.failures = [errors.StoppedError("the process is to end")]
        self.loop(2).run()
        self.assertEqual(2, self.turns)
        self.assertIn("DEBUG staffeln.conductor.loops", self.log.output)
        self.assertNotIn("ERROR", self.log.output)
        self.assertNotIn("Traceback", self.log.output)

    def test_an_unexpected_error_is_shown_whole(self) -> None:
        self.failures = [ZeroDivisionError("oh")]
        self.loop(2).run()
        self.assertEqual(2, self.turns)
        self.assertIn("unexpected", self.log.output)
        self.assertIn("Traceback", self.log.output)

    def test_a_call_to_wake_during_a_turn_is_not_lost(self) -> None:
        done = threading.Event()

        def turn() -> float:
            self.turns += 1
            if self.turns == 1:
                made.wake()
            else:
                made.stop()
                done.set()
            return 3600.0

        made = loops.Loop("Test", turn, 3600.0)
        made.run()
        self.assertTrue(done.is_set())

    def test_stopped_before_it_began_it_never_turns(self) -> None:
        made = self.loop(1)
        made.stop()
        made.run()
        self.assertEqual(0, self.turns)


class OfficeCase(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.said: list[str] = []
        self.time = 100.0
        self.woken = 0
        self.store = stand_ins.Rows(NOW, self.said.append)
        self.backend = stand_ins.Office(self.said.append)
        self.scheduler = stand_ins.Scheduler(self.said.append)
        self.office = loops.Office(
            ME,
            self.store,
            self.backend,
            self.scheduler,
            RHYTHM,
            on_planned=self.wake,
            clock=lambda: self.time,
        )

    def wake(self) -> None:
        self.woken += 1

    def turn(self, seconds: float = 0.0) -> list[str]:
        """One turn, so much later; what it said."""
        self.time += seconds
        self.said.clear()
        self.pause = self.office.turn()
        return list(self.said)


class OfficeTest(OfficeCase):
    def test_the_first_turn_takes_office_and_leads(self) -> None:
        self.assertEqual(["term", "lead"], self.turn())
        self.assertEqual(RHYTHM.office_period, self.pause)

    def test_then_it_leads_once_in_a_period(self) -> None:
        self.turn()
        self.assertEqual([], self.turn(1799))
        self.assertEqual(["lead"], self.turn(1))

    def test_waits_no_longer_than_to_what_is_due_next(self) -> None:
        self.turn()
        self.turn(1799)
        self.assertEqual(1.0, self.pause)

    def test_without_the_office_nothing_is_done(self) -> None:
        self.backend.free = False
        self.assertEqual([], self.turn())
        self.assertEqual(RHYTHM.office_period, self.pause)

    def test_office_that_is_lost_and_had_again_is_a_new_term(self) -> None:
        self.turn()
        self.backend.free = False
        self.backend.lost("not renewed for 10 s")
        self.assertEqual([], self.turn(5))
        self.assertIn(
            "not the scheduler any more: not renewed for 10 s",
            self.log.output,
        )
        self.backend.free = True
        self.assertEqual(["term"], self.turn(5))

    def test_new_work_wakes_the_workers(self) -> None:
        self.scheduler.planned = 1
        self.turn()
        self.assertEqual(1, self.woken)

    def test_a_cycle_that_failed_is_tried_again_soon(self) -> None:
        self.scheduler.failure = errors.NoAnswerError("Nova is away")
        self.assertRaises(errors.NoAnswerError, self.turn)
        self.scheduler.failure = None
        self.assertEqual([], self.turn(5))
        self.assertEqual(["lead"], self.turn(loops.RETRY_PERIOD - 5))

    def test_an_office_that_is_of_no_use_is_given_back(self) -> None:
        """Another one may have a way to the cloud, or to the database."""
        self.scheduler.failure = errors.NoAnswerError("Nova is away")
        self.assertRaises(errors.NoAnswerError, self.turn)
        self.assertRaises(errors.NoAnswerError, self.turn, loops.RETRY_PERIOD)
        self.assertEqual(["lead", "released"], self.said)
        self.assertIn("gives the office back", self.log.output)
        self.assertEqual([], self.turn(59))
        self.scheduler.failure = None
        self.assertEqual(["term", "lead"], self.turn(1))

    def test_one_failure_gives_nothing_back(self) -> None:
        for _ in range(3):
            self.scheduler.failure = errors.NoAnswerError("Nova is away")
            self.assertRaises(errors.NoAnswerError, self.turn, 1800)
            self.scheduler.failure = None
            self.assertIn("lead", self.turn(int(loops.RETRY_PERIOD)))
        self.assertNotIn("gives the office back", self.log.output)

    def test_overtaken_it_begins_a_new_term(self) -> None:
        self.scheduler.failure = errors.OvertakenError("term 2 has begun")
        self.assertRaises(errors.OvertakenError, self.turn)
        self.scheduler.failure = None
        self.assertEqual(["term"], self.turn(5))

    def test_with_a_rival_it_does_not_schedule_and_says_so(self) -> None:
        self.store.rows = [ME, conductor("other", "there")]
        self.assertEqual(["released"], self.turn())
        self.assertEqual(["released"], self.turn(5))
        self.assertEqual(1, self.log.output.count("does not schedule"))
        self.turn(int(RHYTHM.backup_service_period))
        self.assertEqual(2, self.log.output.count("does not schedule"))
        self.store.rows = [ME]
        self.assertEqual(["term", "lead"], self.turn(5))

    def test_in_office_it_stays_beside_one_that_came_later(self) -> None:
        self.turn()
        self.store.rows = [ME, conductor("other", "there")]
        self.assertEqual([], self.turn(15))
        self.assertEqual([], self.turn(15))
        self.assertEqual(1, self.log.output.count("stays the scheduler"))
        self.assertEqual(["lead"], [*self.turn(1800)][:1])

    def test_a_backend_that_is_away_is_said_once(self) -> None:
        self.backend.failure = errors.CoordinationError("etcd is away")
        self.assertEqual([], self.turn())
        self.assertEqual([], self.turn(2))
        self.assertEqual(1, self.log.output.count("etcd is away"))
        self.turn(int(RHYTHM.backup_service_period))
        self.assertEqual(2, self.log.output.count("etcd is away"))
        self.backend.failure = None
        self.assertEqual(["term", "lead"], self.turn(2))


class ErrandTest(OfficeCase):
    """Retention, in the loop of its own, with the office of the other."""

    def setUp(self) -> None:
        super().setUp()
        self.errand = loops.Errand(
            self.office,
            self.scheduler.retain,
            1200.0,
            RHYTHM,
            on_planned=self.wake,
            clock=lambda: self.time,
        )

    def run_errand(self, seconds: float = 0.0) -> list[str]:
        self.time += seconds
        self.said.clear()
        self.pause = self.errand.turn()
        return list(self.said)

    def test_without_the_office_no_errand(self) -> None:
        self.assertEqual([], self.run_errand())

    def test_an_errand_in_its_own_period(self) -> None:
        self.turn()
        self.assertEqual(["retain"], self.run_errand())
        self.assertEqual([], self.run_errand(1199))
        self.assertEqual(1.0, self.pause)
        self.assertEqual(["retain"], self.run_errand(1))

    def test_planned_deletes_wake_the_workers(self) -> None:
        self.turn()
        self.scheduler.planned = 3
        self.run_errand()
        self.assertEqual(1, self.woken)

    def test_an_errand_that_failed_is_tried_again_soon(self) -> None:
        self.turn()
        self.scheduler.failure = errors.NoAnswerError("Cinder is away")
        self.assertRaises(errors.NoAnswerError, self.run_errand)
        self.scheduler.failure = None
        self.assertEqual([], self.run_errand(5))
        self.assertEqual(["retain"], self.run_errand(loops.RETRY_PERIOD - 5))

    def test_overtaken_on_an_errand_it_applies_again(self) -> None:
        self.turn()
        self.scheduler.failure = errors.OvertakenError("term 2 has begun")
        self.assertRaises(errors.OvertakenError, self.run_errand)
        self.scheduler.failure = None
        self.assertEqual([], self.run_errand(loops.RETRY_PERIOD))
        self.assertEqual(["term"], self.turn())


class BenchTest(base.TestCase):
    def test_at_once_again_while_there_is_work(self) -> None:
        worker = stand_ins.Worker(lambda _: None)
        worker.rounds = 2
        bench = loops.Bench(worker)
        self.assertEqual([0.0, 0.0, 10], [bench.turn() for _ in range(3)])


class HeartTest(base.TestCase):
    def test_beats(self) -> None:
        said: list[str] = []
        store = stand_ins.Rows(NOW, said.append)
        self.assertEqual(
            15, loops.Heart(ME, store, RHYTHM, lambda: None).turn()
        )
        self.assertEqual(["heartbeat me"], said)

    def test_taken_for_dead_it_registers_again(self) -> None:
        said: list[str] = []
        store = stand_ins.Rows(NOW, said.append)
        store.alive = False
        loops.Heart(ME, store, RHYTHM, lambda: None).turn()
        self.assertEqual("registered me here none", said[-1])
        self.assertIn("taken for dead", self.log.output)

    def test_after_missed_signs_it_tells_of_an_outage_first(self) -> None:
        said: list[str] = []
        time = [0.0]
        store = stand_ins.Rows(NOW, said.append)
        heart = loops.Heart(
            ME,
            store,
            RHYTHM,
            lambda: said.append("outage"),
            clock=lambda: time[0],
        )
        for at in (15.0, 30.0, 60.0, 75.0):
            time[0] = at
            heart.turn()
        self.assertEqual(
            ["heartbeat me"] * 2 + ["outage"] + ["heartbeat me"] * 2, said
        )
