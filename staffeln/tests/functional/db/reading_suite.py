# SPDX-License-Identifier: Apache-2.0
"""What every store has to keep: what lists and histories show."""

from __future__ import annotations

import dataclasses
from typing import Any

from staffeln.domain import model, task
from staffeln.tests.functional.db import store_case
from staffeln.tests.functional.db.store_case import (
    DAY,
    NOW,
    SECOND,
    planned,
    removal,
)
from staffeln.tests.unit.domain import samples


class ReadingSuite(store_case.StoreCase):
    """Part of :class:`suite.StoreSuite`."""

    def chain(self) -> list[str]:
        return [row.id for row in self.history().chain]

    def link(
        self, number: int, incremental: bool | None, **changes: Any
    ) -> None:
        self.keep(
            self.row(
                number,
                volume_id="v1",
                incremental=incremental,
                **{
                    "created_at": NOW - DAY + number * SECOND,
                    **changes,
                },
            )
        )

    # -- lists ---------------------------------------------------------------

    def test_tasks_are_listed_newest_first_by_all_that_is_given(self) -> None:
        self.plan(
            planned(1),
            planned(2, created_at=NOW + SECOND),
            planned(3, project_id="p2"),
            removal(4, volume_id="v1"),
        )
        self.claim(limit=1)
        store = self.store

        def ids(**given: Any) -> list[str]:
            return [work.id for work in store.tasks(**given)]

        self.assertEqual(["t2", "t3", "t1", "d4"], ids())
        self.assertEqual(["t2", "t3"], ids(limit=2))
        self.assertEqual(["d4"], ids(kind=task.Kind.DELETE))
        self.assertEqual(["t1"], ids(states=[task.State.CLAIMED]))
        self.assertEqual([], ids(states=[]))
        self.assertEqual(["t1"], ids(claimed_by=["c1", "c2"]))
        self.assertEqual([], ids(claimed_by=["c2"]))
        self.assertEqual(["t3"], ids(project_id="p2"))
        self.assertEqual(["t1"], ids(volume_id="v1", kind=task.Kind.BACKUP))
        self.assertIsNone(store.get_task("unknown"))
        self.assertEqual([], store.events("unknown"))

    def test_backups_are_listed_newest_first_by_all_that_is_given(
        self,
    ) -> None:
        gone = model.BackupState.VANISHED
        self.keep(
            self.row(1, volume_name="🐌"),
            self.row(2, created_at=NOW, project_id="p2"),
            self.row(3, created_at=NOW - DAY, state=gone),
        )
        store = self.store

        def ids(**given: Any) -> list[str]:
            return [row.id for row in store.backups(**given)]

        self.assertEqual(["b2", "b3", "b1"], ids())
        self.assertEqual(["b2"], ids(limit=1))
        many = [f"b{number}" for number in range(1500)]
        self.assertEqual(["b2", "b3", "b1"], ids(ids=many))
        self.assertEqual(["b2"], ids(ids=many[::-1], limit=1))
        self.assertEqual([], ids(ids=[]))
        self.assertEqual(["b3"], ids(states=[gone]))
        self.assertEqual(["b2"], ids(project_id="p2"))
        self.assertEqual(["b1"], ids(volume_id="v1"))
        self.assertEqual("🐌", self.backup_in_store("b1").volume_name)
        self.assertIsNone(store.get_backup("unknown"))

    def test_an_absence_is_noted_and_nothing_else(self) -> None:
        self.keep(self.row(1))
        read_long_ago = self.row(1, reason="old", retention="9d")
        self.assertTrue(self.store.note_missing(read_long_ago, NOW))
        self.assertTrue(self.store.note_missing(read_long_ago, NOW))
        found = self.backup_in_store("b1")
        self.assertEqual(
            self.row(1, missing_since=NOW),
            dataclasses.replace(found, updated_at=None),
        )
        self.assertIsNotNone(found.updated_at)
        self.assertTrue(self.store.note_missing(found, None))
        self.assertIsNone(self.backup_in_store("b1").missing_since)

    def test_what_is_broken_is_noted_and_nothing_else(self) -> None:
        self.keep(self.row(1))
        self.keep(self.row(2, state=model.BackupState.UNWANTED))
        both = [self.row(1, reason="old"), self.row(2)]
        self.store.note_broken(both, NOW)
        self.assertEqual(
            self.row(1, broken_since=NOW),
            dataclasses.replace(self.backup_in_store("b1"), updated_at=None),
        )
        self.assertIsNone(self.backup_in_store("b2").broken_since)
        self.store.note_broken(both, None)
        self.assertIsNone(self.backup_in_store("b1").broken_since)

    def test_an_absence_of_what_has_moved_is_not_noted(self) -> None:
        self.keep(self.row(1, state=model.BackupState.UNWANTED))
        before = self.backup_in_store("b1")
        self.assertFalse(self.store.note_missing(self.row(1), NOW))
        self.assertEqual(before, self.backup_in_store("b1"))
        self.assertFalse(self.store.note_missing(self.row(2), NOW))
        self.assertIsNone(self.store.get_backup("b2"))

    def test_a_row_is_kept_for_a_backup_that_has_none(self) -> None:
        stray = self.row(1, state=model.BackupState.UNWANTED, reason="stray")
        self.assertTrue(self.store.keep_backup(stray))
        found = self.backup_in_store("b1")
        self.assertEqual(stray, dataclasses.replace(found, updated_at=None))
        self.assertIsNotNone(found.updated_at)
        self.assertFalse(self.store.keep_backup(self.row(1)))
        self.assertEqual(found, self.backup_in_store("b1"))

    def test_of_several_that_keep_a_row_at_once_one_does(self) -> None:
        kept = self.at_once(
            4, lambda number: self.store.keep_backup(self.row(1, size=number))
        )
        self.assertEqual([False] * 3 + [True], sorted(kept))
        self.assertEqual(kept.index(True), self.backup_in_store("b1").size)

    def test_volumes_with_backups_come_by_pages(self) -> None:
        self.assertEqual([], self.store.volumes_with_backups("", 9))
        for number, volume in enumerate("dbbacB"):
            state = list(model.BackupState)[number % 5]
            self.keep(self.row(number, volume_id=volume, state=state))
        everything = self.store.volumes_with_backups("", 9)
        self.assertEqual(set("abcdB"), set(everything))
        found, after = [], ""
        while page := self.store.volumes_with_backups(after, 2):
            found += page
            after = page[-1]
        self.assertEqual(everything, found)

    def test_unwanted_backups_are_those_nobody_removes_yet(self) -> None:
        unwanted = model.BackupState.UNWANTED
        self.keep(
            self.row(1, state=unwanted),
            self.row(2, state=unwanted),
            self.row(3, state=unwanted),
            self.row(4, state=model.BackupState.DELETING),
            self.row(5),
        )
        self.plan(removal(1), removal(2))
        one = self.claim(limit=1, kind=task.Kind.DELETE)[0]
        self.move(self.start(one), task.State.FAILED)
        found = self.store.unwanted_backups
        self.assertEqual(["b1", "b3"], [row.id for row in found()])
        self.assertEqual(["b1"], [row.id for row in found(limit=1)])
        self.assertEqual(["b3"], [row.id for row in found("b1", 9)])
        self.assertEqual([], found("b3", 9))

    def test_ids_of_any_alphabet_are_looked_for(self) -> None:
        """What somebody types is looked for, and not there."""
        self.keep(self.row(1))
        for name in ("bäckup", "📦", "x" * 300, "B1", "b1'--"):
            self.assertIsNone(self.store.get_backup(name))
            self.assertIsNone(self.store.get_task(name))
            self.assertEqual([], self.store.tasks(volume_id=name))
            self.assertEqual({}, self.store.histories([name]))

    # -- histories -----------------------------------------------------------

    def test_a_volume_without_a_past_may_be_left_out(self) -> None:
        self.assertEqual(model.History(), self.history())
        self.assertEqual({}, self.store.histories([]))

    def test_a_history_knows_the_live_backup_task(self) -> None:
        self.plan(removal(1, volume_id="v1"))
        self.assertIsNone(self.history().live_task)
        self.plan(planned(1))
        self.assertEqual(task.State.PLANNED, self.history().live_task)
        (claimed,) = self.claim()
        self.assertEqual(task.State.CLAIMED, self.history().live_task)
        self.assertEqual(claimed.created_at, self.history().live_since)
        self.move(self.start(claimed), task.State.FAILED)
        self.assertIsNone(self.history().live_task)
        self.assertIsNone(self.history().live_since)

    def test_a_history_knows_the_record(self) -> None:
        record = samples.record(failures=2, failed_at=NOW)
        self.plan(records=[record])
        self.assertEqual(model.History(record=record), self.history())

    def test_a_history_knows_failures_that_nobody_was_told_of(self) -> None:
        self.plan(
            planned(1, state=task.State.FAILED, reason="one"),
            samples.backup_task("x", state=task.State.FAILED, reason="two"),
            samples.backup_task("y", state=task.State.FAILED, reason="two"),
            removal(1, state=task.State.FAILED, reason="of a delete"),
        )
        self.assertEqual({"one", "two"}, self.history().unreported_failures)
        self.mark_reported("t1")
        self.assertEqual({"two"}, self.history().unreported_failures)

    def test_only_available_backups_count_as_success(self) -> None:
        states = model.BackupState
        self.keep(self.row(1, created_at=NOW - 9 * DAY))
        for number, state in enumerate(
            (states.UNWANTED, states.DELETING, states.VANISHED), start=2
        ):
            self.keep(self.row(number, volume_id="v1", state=state))
        self.keep(self.row(6, volume_id="v1", broken_since=NOW))
        self.keep(
            self.row(
                7,
                volume_id="v1",
                state=states.CREATING,
                created_at=NOW,
                completed_at=None,
            )
        )
        self.assertEqual(NOW - 9 * DAY, self.history().last_success_at)

    def test_a_chain_begins_with_the_last_completed_full(self) -> None:
        for number, incremental in enumerate((False, True, False, True, True)):
            self.link(number, incremental)
        self.keep(self.row(99))
        self.assertEqual(["b2", "b3", "b4"], self.chain())
        self.assertEqual(
            NOW - DAY + 4 * SECOND, self.history().last_success_at
        )

    def test_what_was_never_completed_is_no_link(self) -> None:
        self.link(1, False)
        self.link(2, True)
        self.link(
            3, False, state=model.BackupState.UNWANTED, completed_at=None
        )
        self.link(4, True, state=model.BackupState.CREATING, completed_at=None)
        self.assertEqual(["b1", "b2"], self.chain())

    def test_links_known_to_be_gone_are_seen(self) -> None:
        self.link(1, False)
        self.link(2, True, state=model.BackupState.VANISHED)
        self.link(3, True)
        self.assertEqual(["b1", "b2", "b3"], self.chain())

    def test_a_last_full_that_is_gone_is_seen(self) -> None:
        """The older chain must not be built on again behind its back."""
        self.link(1, False)
        self.link(2, False, state=model.BackupState.UNWANTED)
        self.link(3, True)
        self.assertEqual(["b2", "b3"], self.chain())

    def test_a_chain_without_a_full_is_all_there_is(self) -> None:
        self.link(1, True)
        self.link(2, True)
        self.assertEqual(["b1", "b2"], self.chain())

    def test_a_backup_of_unknown_mode_counts_as_full(self) -> None:
        self.link(1, False)
        self.link(2, None)
        self.link(3, True)
        self.assertEqual(["b2", "b3"], self.chain())

    def test_of_backups_of_one_moment_the_full_comes_first(self) -> None:
        self.link(1, True, created_at=NOW)
        self.link(2, False, created_at=NOW)
        self.link(3, False, created_at=NOW)
        self.link(4, True, created_at=NOW)
        self.assertEqual(["b3", "b1", "b4"], self.chain())

    def test_chains_that_nobody_needs_are_left_out(self) -> None:
        """Where a backup is young and no task lives."""
        self.keep(
            self.row(1, volume_id="old", created_at=NOW - DAY),
            self.row(2, volume_id="young", created_at=NOW),
            self.row(3, volume_id="waits", created_at=NOW),
            self.row(4, volume_id="lost", created_at=NOW, broken_since=NOW),
        )
        self.plan(planned(3, volume_id="waits"))
        volumes = ("old", "young", "waits", "lost", "none")
        for until, without in (
            (None, set()),
            (NOW, set()),
            (NOW - SECOND, {"young"}),
            (NOW - DAY, {"young"}),
            (NOW - DAY - SECOND, {"young", "old"}),
        ):
            found = self.store.histories(volumes, until)
            self.assertEqual(NOW, found["young"].last_success_at)
            self.assertEqual(
                {"old", "young", "waits", "lost"} - without,
                {each for each, history in found.items() if history.chain},
            )

    def test_histories_of_many_volumes_come_together(self) -> None:
        count = 1100
        self.plan(*(planned(number) for number in range(count)))
        self.keep(self.row(3), self.row(1099))
        found = self.store.histories([f"v{n}" for n in range(count)])
        self.assertEqual(count, len(found))
        self.assertEqual(
            {"v3", "v1099"},
            {each for each, history in found.items() if history.chain},
        )
        self.assertEqual(
            {task.State.PLANNED},
            {history.live_task for history in found.values()},
        )
