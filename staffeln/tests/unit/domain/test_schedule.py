# SPDX-License-Identifier: Apache-2.0
"""Due or not due, to the microsecond, and until when not."""

import datetime

import hypothesis
from hypothesis import strategies as st

from staffeln.domain import model, policies, schedule, task
from staffeln.tests import base
from staffeln.tests.unit.domain import samples
from staffeln.tests.unit.domain.samples import DAY, HOUR, MICROSECOND, NOW

WHILE = 100 * 365 * DAY


class DueTest(base.TestCase):
    def not_due(
        self, history: model.History, policy: policies.Policy | None = None
    ) -> schedule.NotDue:
        decided = schedule.decide(history, policy or samples.policy(), NOW)
        assert isinstance(decided, schedule.NotDue), decided
        return decided

    def due(
        self, history: model.History, policy: policies.Policy | None = None
    ) -> schedule.Due:
        decided = schedule.decide(history, policy or samples.policy(), NOW)
        assert isinstance(decided, schedule.Due), decided
        return decided

    def test_never_backed_up(self) -> None:
        self.assertEqual("never backed up", self.due(model.History()).why)

    def test_a_live_task_of_any_state(self) -> None:
        for state in task.LIVE:
            decided = self.not_due(model.History(live_task=state))
            self.assertIn(str(state), decided.why)
            self.assertIsNone(decided.until)

    def test_the_interval_ends_to_the_microsecond(self) -> None:
        decided = self.not_due(
            model.History(last_success_at=NOW - DAY + MICROSECOND)
        )
        self.assertEqual(NOW + MICROSECOND, decided.until)
        decided_at = self.due(model.History(last_success_at=NOW - DAY))
        self.assertIn("2026-03-30 02:00:00Z", decided_at.why)

    def test_the_reason_holds_the_time(self) -> None:
        decided = self.not_due(model.History(last_success_at=NOW - HOUR))
        self.assertEqual(NOW + 23 * HOUR, decided.until)
        self.assertIn("until 2026-04-01 01:00:00Z", decided.why)
        self.assertIn("2026-03-31 01:00:00Z", decided.why)

    def test_no_interval_is_always_due(self) -> None:
        policy = samples.policy(backup_min_interval=datetime.timedelta())
        for ago in (-HOUR, -MICROSECOND, datetime.timedelta(), HOUR):
            self.due(model.History(last_success_at=NOW - ago), policy)

    def test_no_interval_still_waits_for_the_live_task(self) -> None:
        policy = samples.policy(backup_min_interval=datetime.timedelta())
        self.not_due(model.History(live_task=task.State.RUNNING), policy)

    def test_failures_do_not_count_as_backups(self) -> None:
        long_ago = samples.record(failures=1, failed_at=NOW - HOUR)
        self.due(model.History(record=long_ago))

    def test_the_wait_after_failures(self) -> None:
        for failures, hours in ((1, 1), (2, 2), (3, 4), (5, 16), (6, 24)):
            wait = hours * HOUR
            early = samples.record(
                failures=failures, failed_at=NOW - wait + MICROSECOND
            )
            decided = self.not_due(model.History(record=early))
            self.assertEqual(NOW + MICROSECOND, decided.until)
            which = "task" if failures == 1 else f"{failures} tasks"
            self.assertEqual(
                f"its last {which} failed, next try at 2026-03-31 02:00:00Z",
                decided.why,
            )
            self.due(
                model.History(
                    record=samples.record(
                        failures=failures, failed_at=NOW - wait
                    )
                )
            )

    def test_a_record_without_failures_does_not_wait(self) -> None:
        for each in (
            samples.record(failures=0, failed_at=NOW),
            samples.record(failures=3, failed_at=None),
            samples.record(failures=-1, failed_at=NOW),
        ):
            self.assertIsNone(schedule.retry_at(each, samples.policy()))
            self.due(model.History(record=each))

    @hypothesis.given(samples.histories())
    def test_not_due_until_a_time_means_due_at_that_time(
        self, history: model.History
    ) -> None:
        policy = samples.policy()
        now = NOW
        for _ in range(2):  # the interval, then the wait after failures
            decided = schedule.decide(history, policy, now)
            if isinstance(decided, schedule.Due) or decided.until is None:
                break
            self.assertGreater(decided.until, now)
            self.assertIsInstance(
                schedule.decide(history, policy, decided.until - MICROSECOND),
                schedule.NotDue,
            )
            now = decided.until
        if history.live_task is None:
            self.assertIsInstance(
                schedule.decide(history, policy, now), schedule.Due
            )


class LastSuccessTest(base.TestCase):
    def test_who_had_a_later_one_is_not_due_by_then(self) -> None:
        policy = samples.policy(backup_min_interval=samples.DAY)
        latest = schedule.last_success_if_due(policy, NOW)
        assert latest is not None
        for last, kind in (
            (latest, schedule.Due),
            (latest + samples.MICROSECOND, schedule.NotDue),
        ):
            history = model.History(last_success_at=last)
            self.assertIsInstance(schedule.decide(history, policy, NOW), kind)

    def test_without_an_interval_any(self) -> None:
        policy = samples.policy(backup_min_interval=samples.DAY * 0)
        self.assertIsNone(schedule.last_success_if_due(policy, NOW))


class BackoffTest(base.TestCase):
    @hypothesis.given(
        st.integers(-5, 10**6),
        st.timedeltas(min_value=MICROSECOND, max_value=WHILE),
        st.timedeltas(min_value=MICROSECOND, max_value=WHILE),
    )
    def test_it_doubles_up_to_its_cap(
        self,
        tries: int,
        first: datetime.timedelta,
        longest: datetime.timedelta,
    ) -> None:
        wait = schedule.backoff(tries, first, longest)
        longer = schedule.backoff(tries + 1, first, longest)
        self.assertLessEqual(wait, longest)
        self.assertGreaterEqual(wait, min(first, longest))
        self.assertIn(longer, (wait, longest, 2 * wait))
        self.assertGreaterEqual(longer, wait)

    def test_the_first_wait_is_the_first(self) -> None:
        self.assertEqual(HOUR, schedule.backoff(1, HOUR, DAY))
        self.assertEqual(HOUR, schedule.backoff(0, HOUR, DAY))
        self.assertEqual(2 * HOUR, schedule.backoff(2, HOUR, DAY))

    def test_a_wait_too_long_for_the_calendar(self) -> None:
        longest = datetime.timedelta.max
        self.assertEqual(longest, schedule.backoff(99, 365 * DAY, longest))
