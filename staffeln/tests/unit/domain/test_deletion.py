# SPDX-License-Identifier: Apache-2.0
"""Which backups go, and which of them wait for what, rule by rule."""

from __future__ import annotations

import datetime
from typing import Any

from staffeln.domain import deletion, model
from staffeln.tests import base
from staffeln.tests.unit.domain import samples
from staffeln.tests.unit.domain.samples import DAY, HOUR, MICROSECOND, NOW

State = model.BackupState
What = deletion.What


def link(number: int, **changes: Any) -> model.Backup:
    """Number 0 is a full backup of 40 days ago, the others build on it.

    All expired ten days after they were made.
    """
    made = NOW - 40 * DAY + number * DAY
    values = {
        "server_id": "s1",
        "created_at": made,
        "completed_at": made,
        "incremental": number > 0,
        "expires_at": made + 10 * DAY,
        "kept_for": "10d",
        **changes,
    }
    return samples.backup(f"b{number}", **values)


class JudgeTestCase(base.TestCase):
    def judge(
        self,
        *rows: model.Backup,
        selected: bool = False,
        growing: tuple[str, ...] = (),
        spared: dict[str, str] | None = None,
        keep_last: int = 1,
        now: datetime.datetime = NOW,
    ) -> list[deletion.Verdict]:
        return deletion.judge(
            rows,
            deletion.Circumstances(
                selected=selected,
                growing=frozenset(growing),
                spared=spared or {},
            ),
            samples.retention_policy(keep_last=keep_last),
            now,
        )

    def going(self, *rows: model.Backup, **around: Any) -> list[str]:
        """Ids of what is deleted, in the order of the verdicts."""
        return [
            each.backup.id
            for each in self.judge(*rows, **around)
            if each.what is What.DELETE
        ]

    def waits(self, *rows: model.Backup, **around: Any) -> dict[str, str]:
        return {
            each.backup.id: each.waits_for
            for each in self.judge(*rows, **around)
            if each.waits_for
        }

    def why(self, backup_id: str, *rows: model.Backup, **around: Any) -> str:
        (found,) = (
            each.why
            for each in self.judge(*rows, **around)
            if each.backup.id == backup_id
        )
        return found


class OfAgeTest(JudgeTestCase):
    """What a backup's own age and state say."""

    def test_a_backup_goes_from_the_moment_of_its_expiry(self) -> None:
        row = link(0, expires_at=NOW)
        self.assertEqual(["b0"], self.going(row))
        self.assertEqual([], self.going(row, now=NOW - MICROSECOND))

    def test_what_expires_later_says_until_when_it_is_kept(self) -> None:
        row = link(0, expires_at=NOW + HOUR)
        self.assertEqual(
            "until 2026-03-31 03:00:00Z: kept for 10d", self.why("b0", row)
        )

    def test_what_is_in_its_grace_says_so(self) -> None:
        row = link(0, expires_at=NOW + HOUR, grace="604800s")
        self.assertIn("shortened to 10d, after a grace", self.why("b0", row))

    def test_what_goes_says_since_when_it_could(self) -> None:
        self.assertIn("expired 2026-03-0", self.why("b0", link(0)))

    def test_what_has_no_expiry_stays_and_names_the_server(self) -> None:
        row = link(0, expires_at=None, retention_known=False)
        self.assertEqual([], self.going(row))
        self.assertIn("server s1 was never read", self.why("b0", row))

    def test_what_has_no_expiry_and_no_server_says_that(self) -> None:
        row = link(0, expires_at=None, retention_known=False, server_id="")
        self.assertIn("server is not known", self.why("b0", row))

    def test_what_was_not_decided_yet_stays(self) -> None:
        row = link(0, expires_at=None)
        self.assertEqual([], self.going(row))
        self.assertIn("not decided yet", self.why("b0", row))

    def test_what_is_being_made_stays(self) -> None:
        row = link(0, state=State.CREATING, completed_at=None)
        self.assertEqual([], self.going(row))

    def test_what_is_on_its_way_out_is_not_deleted_for_its_age(self) -> None:
        for state in (State.UNWANTED, State.DELETING):
            (verdict,) = self.judge(link(0, state=state, reason="broken"))
            self.assertIs(What.GOING, verdict.what)
            self.assertEqual("broken", verdict.why)
        (verdict,) = self.judge(link(0, state=State.DELETING))
        self.assertEqual("it is deleting", verdict.why)

    def test_what_vanished_is_not_spoken_of(self) -> None:
        self.assertEqual([], self.judge(link(0, state=State.VANISHED)))

    def test_a_project_that_is_disabled_loses_nothing(self) -> None:
        rows = [link(0), link(1)]
        spared = {"p1": "project p1 is disabled"}
        self.assertEqual([], self.going(*rows, spared=spared))
        self.assertEqual(
            "project p1 is disabled", self.why("b1", *rows, spared=spared)
        )

    def test_other_projects_than_the_disabled_one_go_on(self) -> None:
        rows = [link(0), link(1, project_id="p2", incremental=False)]
        self.assertEqual(["b1"], self.going(*rows, spared={"p1": "disabled"}))


class ChainTest(JudgeTestCase):
    """What depends on what."""

    def test_a_chain_that_expired_goes_at_once_newest_first(self) -> None:
        rows = [link(number) for number in range(5)]
        self.assertEqual(["b4", "b3", "b2", "b1", "b0"], self.going(*rows))
        self.assertEqual(
            {"b3": "b4", "b2": "b3", "b1": "b2", "b0": "b1"}, self.waits(*rows)
        )

    def test_the_order_of_the_rows_does_not_matter(self) -> None:
        rows = [link(number) for number in (2, 0, 1)]
        self.assertEqual(["b2", "b1", "b0"], self.going(*rows))

    def test_one_that_stays_holds_all_before_it_and_none_after_it(
        self,
    ) -> None:
        rows = [link(0), link(1), link(2, expires_at=NOW + DAY), link(3)]
        self.assertEqual(["b3"], self.going(*rows))
        self.assertIn("backup b2 depends on it", self.why("b0", *rows))
        self.assertIn("until 2026-04-01", self.why("b1", *rows))

    def test_a_chain_does_not_hold_the_chain_before_it(self) -> None:
        rows = [
            link(0),
            link(1),
            link(2, incremental=False),
            link(3, expires_at=NOW + DAY),
        ]
        self.assertEqual(["b1", "b0"], self.going(*rows))
        self.assertEqual({"b0": "b1"}, self.waits(*rows))

    def test_two_chains_go_side_by_side(self) -> None:
        rows = [link(0), link(1), link(2, incremental=False), link(3)]
        self.assertEqual({"b0": "b1", "b2": "b3"}, self.waits(*rows))

    def test_a_full_one_of_the_same_moment_comes_before_the_incremental(
        self,
    ) -> None:
        at = NOW - 40 * DAY
        rows = [
            link(1, created_at=at, incremental=True),
            link(2, created_at=at, incremental=False),
        ]
        self.assertEqual({"b2": "b1"}, self.waits(*rows))

    def test_what_is_being_made_on_a_chain_holds_it(self) -> None:
        rows = [link(0), link(1, state=State.CREATING, completed_at=None)]
        self.assertEqual([], self.going(*rows))
        self.assertIn("it is being made", self.why("b0", *rows))

    def test_a_full_one_that_is_being_made_holds_nothing(self) -> None:
        made = link(
            2, incremental=False, state=State.CREATING, completed_at=None
        )
        self.assertEqual(["b1", "b0"], self.going(link(0), link(1), made))

    def test_a_backup_that_may_begin_now_holds_the_newest_chain(self) -> None:
        rows = [link(0), link(1), link(2, incremental=False), link(3)]
        self.assertEqual(["b1", "b0"], self.going(*rows, growing=("p1",)))
        self.assertIn("under way", self.why("b2", *rows, growing=("p1",)))

    def test_a_backup_that_begins_in_another_project_holds_nothing(
        self,
    ) -> None:
        rows = [link(0), link(1)]
        self.assertEqual(["b1", "b0"], self.going(*rows, growing=("p2",)))

    def test_an_unknown_mode_may_depend_on_what_is_before(self) -> None:
        rows = [link(0), link(1, incremental=None, expires_at=NOW + DAY)]
        self.assertEqual([], self.going(*rows))

    def test_an_unknown_mode_is_held_by_what_may_build_on_it(self) -> None:
        rows = [link(0, incremental=None), link(1, expires_at=NOW + DAY)]
        self.assertEqual([], self.going(*rows))

    def test_an_unknown_mode_goes_after_what_may_build_on_it(self) -> None:
        rows = [link(0), link(1, incremental=None), link(2)]
        self.assertEqual({"b1": "b2", "b0": "b1"}, self.waits(*rows))

    def test_an_unknown_mode_hides_no_chain_from_the_one_on_top(self) -> None:
        rows = [
            link(0),
            link(1, incremental=None),
            link(2, expires_at=NOW + DAY),
        ]
        self.assertEqual([], self.going(*rows))

    def test_one_that_vanished_does_not_free_what_was_below_it(self) -> None:
        rows = [
            link(0),
            link(1, state=State.VANISHED),
            link(2, expires_at=NOW + DAY),
        ]
        self.assertEqual([], self.going(*rows))

    def test_nothing_waits_for_one_that_vanished(self) -> None:
        rows = [link(0), link(1, state=State.VANISHED), link(2)]
        self.assertEqual({"b0": "b2"}, self.waits(*rows))
        self.assertEqual({}, self.waits(*rows[:2]))

    def test_a_full_one_that_vanished_leaves_the_older_chain_free(
        self,
    ) -> None:
        rows = [
            link(0),
            link(1),
            link(2, incremental=False, state=State.VANISHED),
            link(3, expires_at=NOW + DAY),
        ]
        self.assertEqual(["b1", "b0"], self.going(*rows))

    def test_a_full_one_that_failed_leaves_the_older_chain_held(self) -> None:
        for state in (State.UNWANTED, State.DELETING, State.VANISHED):
            failed = link(2, incremental=False, state=state, completed_at=None)
            rows = [link(0), link(1), failed, link(3, expires_at=NOW + DAY)]
            self.assertEqual([], self.going(*rows), state)
            self.assertEqual(
                {"b1": "b3", "b0": "b1"}, self.waits(*rows[:3], link(3))
            )
            self.assertEqual([], self.going(*rows[:3], growing=("p1",)))

    def test_a_parent_waits_for_one_that_is_on_its_way_out(self) -> None:
        for state in (State.UNWANTED, State.DELETING):
            rows = [link(0), link(1, state=state)]
            self.assertEqual(["b0"], self.going(*rows))
            self.assertEqual({"b0": "b1"}, self.waits(*rows))

    def test_a_parent_waits_for_its_child_above_one_on_its_way_out(
        self,
    ) -> None:
        rows = [link(0), link(1, state=State.UNWANTED), link(2)]
        self.assertEqual({"b0": "b2"}, self.waits(*rows))

    def test_one_on_its_way_out_frees_nothing_below_one_that_stays(
        self,
    ) -> None:
        rows = [
            link(0),
            link(1, state=State.UNWANTED),
            link(2, expires_at=NOW + DAY),
        ]
        self.assertEqual([], self.going(*rows))

    def test_a_volume_that_was_transferred_has_chains_apart(self) -> None:
        rows = [
            link(0),
            link(1, project_id="p2", incremental=False),
            link(2),
            link(3, project_id="p2", expires_at=NOW + DAY),
        ]
        self.assertEqual(["b2", "b0"], self.going(*rows))
        self.assertEqual({"b0": "b2"}, self.waits(*rows))


class KeepLastTest(JudgeTestCase):
    """Broken backups must not end in no backups."""

    def setUp(self) -> None:
        super().setUp()
        self.rows = [
            link(0),
            link(1),
            link(2, incremental=False),
            link(3, incremental=False),
            link(4),
        ]

    def test_the_newest_stays_with_all_that_it_depends_on(self) -> None:
        self.assertEqual(
            ["b2", "b1", "b0"], self.going(*self.rows, selected=True)
        )
        self.assertIn(
            "retention_keep_last", self.why("b4", *self.rows, selected=True)
        )
        self.assertIn(
            "backup b4 depends on it",
            self.why("b3", *self.rows, selected=True),
        )

    def test_0_is_the_plain_rule(self) -> None:
        self.assertEqual(
            ["b4", "b3", "b2", "b1", "b0"],
            self.going(*self.rows, selected=True, keep_last=0),
        )

    def test_a_number_counts_backups_and_not_chains(self) -> None:
        self.assertEqual(
            ["b2", "b1", "b0"],
            self.going(*self.rows, selected=True, keep_last=2),
        )
        self.assertEqual(
            ["b1", "b0"], self.going(*self.rows, selected=True, keep_last=3)
        )

    def test_a_volume_that_is_selected_no_more_goes_entirely(self) -> None:
        self.assertEqual(5, len(self.going(*self.rows)))

    def test_one_that_has_not_expired_counts_as_well(self) -> None:
        rows = [link(0), link(1, incremental=False, expires_at=NOW + DAY)]
        self.assertEqual(["b0"], self.going(*rows, selected=True))

    def test_what_is_not_completed_does_not_count(self) -> None:
        sorts: tuple[dict[str, Any], ...] = (
            {"state": State.CREATING, "completed_at": None},
            {"state": State.UNWANTED},
            {"state": State.DELETING},
            {"state": State.VANISHED},
            {"completed_at": None},
        )
        for changes in sorts:
            rows = [link(0), link(1, incremental=False, **changes)]
            self.assertNotIn(
                "b0", self.going(*rows, selected=True), str(changes)
            )

    def test_after_a_transfer_the_newest_of_all_projects_stays(self) -> None:
        rows = [link(0), link(1, project_id="p2", incremental=False)]
        self.assertEqual(["b0"], self.going(*rows, selected=True))
        self.assertEqual([], self.going(rows[0], selected=True))
