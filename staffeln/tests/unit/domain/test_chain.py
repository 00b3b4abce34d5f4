# SPDX-License-Identifier: Apache-2.0
"""Full or incremental: chains, and how random histories build them."""

from __future__ import annotations

import dataclasses
import datetime

import hypothesis
from hypothesis import strategies as st

from staffeln.domain import chain, durations, model, task
from staffeln.tests import base
from staffeln.tests.unit.domain import samples
from staffeln.tests.unit.domain.samples import DAY, MICROSECOND, NOW

FULL, INCREMENTAL = task.Mode.FULL, task.Mode.INCREMENTAL


def links(count: int, **last: object) -> tuple[model.Backup, ...]:
    """A full and incrementals after it; changes are those of the last."""
    made = [
        samples.backup(
            f"b{number}",
            created_at=NOW - (count - number) * DAY,
            incremental=number > 0,
        )
        for number in range(count)
    ]
    made[-1] = dataclasses.replace(made[-1], **last)  # type: ignore[arg-type]
    return tuple(made)


def choose(
    history: model.History, depth: int = 2, project_id: str = "p1"
) -> chain.Choice:
    policy = samples.policy(full_backup_depth=depth)
    return chain.choose_mode(history, project_id, policy, NOW)


class ChoiceTest(base.TestCase):
    def test_nothing_to_build_on(self) -> None:
        choice = choose(model.History())
        self.assertEqual(FULL, choice.mode)
        self.assertIn("no full backup to build on", choice.why)

    def test_depth_0_is_always_full(self) -> None:
        choice = choose(model.History(chain=links(1)), depth=0)
        self.assertEqual(FULL, choice.mode)
        self.assertIn("full_backup_depth is 0", choice.why)

    def test_at_most_n_incrementals_after_a_full(self) -> None:
        for depth in (1, 2, 7):
            for done in range(depth + 3):
                choice = choose(model.History(chain=links(done + 1)), depth)
                wanted = INCREMENTAL if done < depth else FULL
                self.assertEqual(
                    wanted, choice.mode, f"depth {depth}, {done} done"
                )

    def test_the_reason_counts(self) -> None:
        choice = choose(model.History(chain=links(2)))
        self.assertEqual(
            "number 2 of 2 after the full of 2026-03-29 02:00:00Z", choice.why
        )
        choice = choose(model.History(chain=links(3)))
        self.assertEqual("the chain has its 2 incremental(s)", choice.why)

    def test_a_shorter_depth_than_the_chain(self) -> None:
        choice = choose(model.History(chain=links(6)), depth=1)
        self.assertEqual(FULL, choice.mode)

    def test_a_broken_link_anywhere(self) -> None:
        for state in (
            model.BackupState.UNWANTED,
            model.BackupState.DELETING,
            model.BackupState.VANISHED,
        ):
            for number in range(2):
                built = list(links(2))
                built[number] = dataclasses.replace(built[number], state=state)
                choice = choose(model.History(chain=tuple(built)))
                self.assertEqual(FULL, choice.mode)
                self.assertIn(f"backup b{number} of the chain", choice.why)
                self.assertIn(str(state), choice.why)

    def test_another_project(self) -> None:
        choice = choose(model.History(chain=links(1)), project_id="p2")
        self.assertEqual(FULL, choice.mode)
        self.assertIn("changed its project", choice.why)
        moved_there_and_back = links(2, project_id="p2")
        choice = choose(model.History(chain=moved_there_and_back))
        self.assertEqual(FULL, choice.mode)

    def test_a_chain_without_its_full(self) -> None:
        choice = choose(model.History(chain=links(1, incremental=True)))
        self.assertEqual(FULL, choice.mode)
        self.assertIn("is not known", choice.why)

    def test_a_backup_of_unknown_mode_counts_as_full(self) -> None:
        choice = choose(model.History(chain=links(1, incremental=None)))
        self.assertEqual(INCREMENTAL, choice.mode)

    def test_full_only_ends_to_the_microsecond(self) -> None:
        for until, mode in (
            (NOW + MICROSECOND, FULL),
            (NOW, INCREMENTAL),
        ):
            record = samples.record(full_only_until=until)
            choice = choose(model.History(chain=links(1), record=record))
            self.assertEqual(mode, choice.mode)
        record = samples.record(full_only_until=NOW + DAY)
        choice = choose(model.History(chain=links(1), record=record))
        self.assertIn("full only until 2026-04-01 02:00:00Z", choice.why)

    @hypothesis.given(samples.histories(), st.integers(0, 4))
    def test_an_incremental_always_has_a_live_full(
        self, history: model.History, depth: int
    ) -> None:
        choice = choose(history, depth)
        self.assertTrue(choice.why)
        if choice.mode is FULL:
            return
        self.assertFalse(history.chain[0].incremental)
        self.assertLessEqual(len(history.chain), depth)
        for link in history.chain:
            self.assertEqual(model.BackupState.AVAILABLE, link.state)
            self.assertEqual("p1", link.project_id)


class RecordTest(base.TestCase):
    def test_two_incremental_failures_in_a_row_mean_full_only(self) -> None:
        policy = samples.policy()
        once = chain.after_incremental_failure(samples.record(), policy, NOW)
        self.assertEqual(1, once.incremental_failures)
        self.assertIsNone(once.full_only_until)
        full_after_it = chain.after_success(once, incremental=False)
        twice = chain.after_incremental_failure(full_after_it, policy, NOW)
        self.assertEqual(0, twice.incremental_failures)
        self.assertEqual(NOW + 30 * DAY, twice.full_only_until)

    def test_the_period_is_one_of_the_calendar(self) -> None:
        policy = samples.policy(full_only_period=durations.parse("1mon"))
        record = samples.record(incremental_failures=1)
        record = chain.after_incremental_failure(record, policy, NOW)
        self.assertEqual(
            datetime.datetime(2026, 4, 30, 2),  # noqa: DTZ001
            record.full_only_until,
        )

    def test_a_good_incremental_forgets_the_failures(self) -> None:
        record = samples.record(
            failures=3,
            failed_at=NOW,
            incremental_failures=1,
            postponed_since=NOW,
        )
        self.assertEqual(
            samples.record(), chain.after_success(record, incremental=True)
        )

    def test_failures_are_counted(self) -> None:
        record = chain.after_failure(samples.record(failures=1), NOW)
        self.assertEqual((2, NOW), (record.failures, record.failed_at))


class LifeTest(base.TestCase):
    """A volume's life, day by day, the way the store shows its past."""

    @hypothesis.given(
        st.integers(0, 3),
        st.lists(
            st.sampled_from(
                ["good", "good", "good", "failed", "vanished", "refused"]
            ),
            max_size=40,
        ),
        st.lists(st.integers(0, 39), max_size=3),
    )
    def test_random_histories(
        self, depth: int, days: list[str], losses: list[int]
    ) -> None:
        """At most N incrementals that hold, one after the other."""
        policy = samples.policy(full_backup_depth=depth)
        rows: list[model.Backup] = []
        record = samples.record()
        for number, outcome in enumerate(days):
            now = NOW + number * DAY
            if number in losses and rows:  # retention took the last full
                last = [each for each in rows if not each.incremental][-1:]
                rows = [
                    dataclasses.replace(each, state=model.BackupState.DELETING)
                    if each in last
                    else each
                    for each in rows
                ]
            history = model.History(chain=running(rows), record=record)
            mode = chain.choose_mode(history, "p1", policy, now).mode
            if outcome == "refused" and mode is INCREMENTAL:
                record = chain.after_incremental_failure(record, policy, now)
                mode = FULL
            if outcome == "failed":
                record = chain.after_failure(record, now)
                continue
            rows.append(
                samples.backup(
                    f"b{number}",
                    created_at=now,
                    incremental=mode is INCREMENTAL,
                    completed_at=None if outcome == "vanished" else now,
                    state=model.BackupState.VANISHED
                    if outcome == "vanished"
                    else model.BackupState.AVAILABLE,
                )
            )
            if outcome != "vanished":
                record = chain.after_success(record, mode is INCREMENTAL)
            self.check(rows, depth)

    def check(self, rows: list[model.Backup], depth: int) -> None:
        built = running(rows)
        if rows[-1].incremental and rows[-1].completed_at:
            self.assertFalse(built[0].incremental)
            for link in built:
                self.assertEqual(model.BackupState.AVAILABLE, link.state)
        self.assertLessEqual(len(built), depth + 1)
        self.assertEqual(
            sorted(link.created_at for link in built),
            [link.created_at for link in built],
        )


def running(rows: list[model.Backup]) -> tuple[model.Backup, ...]:
    """Completed backups from the last completed full on, oldest first."""
    completed = [each for each in rows if each.completed_at]
    fulls = [
        number for number, each in enumerate(completed) if not each.incremental
    ]
    return tuple(completed[fulls[-1] if fulls else 0 :])
