# SPDX-License-Identifier: Apache-2.0
"""What every store has to keep: deletes in their order, and the breaker."""

from __future__ import annotations

import dataclasses
from typing import Any

from staffeln import ports
from staffeln.domain import errors, model, task
from staffeln.tests.functional.db import store_case
from staffeln.tests.functional.db.store_case import (
    NOW,
    SECOND,
    planned,
    removal,
)

DELETE = task.Kind.DELETE
VANISHED = model.BackupState.VANISHED


class WaitingSuite(store_case.StoreCase):
    """Part of :class:`suite.StoreSuite`."""

    def deletes(self, **how: Any) -> list[str]:
        """Ids of the deletes that could be claimed, and are by now."""
        return [work.id for work in self.claim(kind=DELETE, **how)]

    def going(self, count: int) -> None:
        """Backups that depend on the one before, all to be deleted.

        The newest is the first; each waits for the one before it.
        """
        rows = [self.row(number) for number in range(1, count + 1)]
        self.plan(adopted=rows)
        self.plan(
            *(
                removal(
                    number,
                    rank=number,
                    waits_for=f"b{number - 1}" if number > 1 else None,
                    cause=task.Cause.EXPIRED,
                )
                for number in range(1, count + 1)
            )
        )

    def deleted(self, work: task.Task) -> None:
        """Let a claimed delete end with its backup gone."""
        self.move(
            self.start(work),
            task.State.SUCCEEDED,
            forget_backup=work.backup_id,
        )

    # -- what waits for what -------------------------------------------------

    def test_what_waits_is_kept_with_its_cause(self) -> None:
        work = removal(1, waits_for="b2", cause=task.Cause.EXPIRED)
        self.assertEqual([work], self.plan(work))
        self.assertEqual(work, self.in_store("d1"))

    def test_what_waits_is_left_by_claims(self) -> None:
        self.going(2)
        self.assertTrue(self.store.claimable(DELETE, NOW))
        self.assertEqual(["d1"], self.deletes())
        self.assertFalse(self.store.claimable(DELETE, NOW))
        self.assertEqual([], self.deletes())
        self.assertEqual(task.State.PLANNED, self.in_store("d2").state)

    def test_volumes_of_which_something_expired_is_to_go(self) -> None:
        self.plan(
            removal(1, cause=task.Cause.EXPIRED, volume_id="v1"),
            removal(2, cause=task.Cause.EXPIRED, volume_id="v1"),
            removal(3, cause=task.Cause.EXPIRED, volume_id="v2"),
            removal(4, cause=task.Cause.UNWANTED, volume_id="v3"),
        )
        self.assertEqual(["v1", "v2"], sorted(self.store.expiring_volumes()))
        self.assertEqual(1, len(self.store.expiring_volumes(1)))

    def test_no_incremental_begins_while_what_it_builds_on_goes(
        self,
    ) -> None:
        self.plan(adopted=self.two_chains())
        going = removal(4, cause=task.Cause.EXPIRED, volume_id="v1")
        self.plan(going)
        incremental = planned(2, volume_id="v1", mode=task.Mode.INCREMENTAL)
        self.assertEqual([], self.plan(incremental))
        full = planned(3, volume_id="v1", mode=task.Mode.FULL)
        self.assertEqual([full], self.plan(full))

    def test_an_older_chain_goes_while_the_newest_one_grows(self) -> None:
        """However long Cinder refuses to delete a link of it."""
        self.plan(adopted=self.two_chains())
        old = removal(1, cause=task.Cause.EXPIRED, volume_id="v1")
        self.assertEqual([old], self.plan(old))
        incremental = planned(5, volume_id="v1", mode=task.Mode.INCREMENTAL)
        self.assertEqual([incremental], self.plan(incremental))
        other = removal(2, cause=task.Cause.EXPIRED, volume_id="v1")
        self.assertEqual([other], self.plan(other))
        new = removal(3, cause=task.Cause.EXPIRED, volume_id="v1")
        self.assertEqual([], self.plan(new))

    def two_chains(self) -> list[model.Backup]:
        """b1 and b2, the older one, and b3 and b4."""
        return [
            self.row(
                number,
                volume_id="v1",
                incremental=number in (2, 4),
                created_at=NOW + number * SECOND,
                completed_at=NOW + number * SECOND,
            )
            for number in range(1, 5)
        ]

    def test_nothing_expires_while_an_incremental_is_made(self) -> None:
        self.plan(adopted=self.two_chains())
        self.plan(planned(1, volume_id="v1", mode=task.Mode.INCREMENTAL))
        going = removal(3, cause=task.Cause.EXPIRED, volume_id="v1")
        self.assertEqual([], self.plan(going))
        unwanted = removal(4, cause=task.Cause.UNWANTED, volume_id="v1")
        self.assertEqual([unwanted], self.plan(unwanted))

    def test_what_is_postponed_is_claimed_later(self) -> None:
        self.plan(removal(1), removal(2))
        (begun,) = self.claim(kind=DELETE, limit=1)
        until = NOW + 60 * SECOND
        self.plan(postponed=["d1", "d2"], postponed_until=until)
        self.assertIsNone(self.in_store(begun.id).not_before)
        self.assertEqual([], self.deletes())
        self.assertEqual(1, len(self.deletes(now=until)))

    def test_deletes_that_were_refused(self) -> None:
        self.plan(removal(1), removal(2))
        self.assertEqual([], self.store.refused_deletes(9))
        (work,) = self.claim(kind=DELETE, limit=1)
        self.move(self.start(work), task.State.PLANNED)
        self.assertEqual(
            [work.id], [each.id for each in self.store.refused_deletes(9)]
        )

    def test_what_waits_holds_nobody_up(self) -> None:
        self.plan(
            *(
                removal(number, rank=0, waits_for="bx")
                for number in range(1, 9)
            ),
            removal(9, rank=7),
        )
        self.assertEqual(["d9"], self.deletes(limit=1))

    def test_a_chain_goes_one_after_the_other(self) -> None:
        self.going(5)
        order = []
        while claimed := self.claim(kind=DELETE):
            (work,) = claimed
            order.append(work.id)
            self.deleted(work)
        self.assertEqual(["d1", "d2", "d3", "d4", "d5"], order)
        self.assertEqual([], self.store.backups())

    def test_chains_go_beside_each_other(self) -> None:
        self.plan(
            removal(1),
            removal(2, waits_for="b1"),
            removal(3),
            removal(4, waits_for="b3"),
        )
        first, second = self.claim(kind=DELETE)
        self.assertEqual({"d1", "d3"}, {first.id, second.id})
        self.deleted(first)
        self.assertEqual([f"d{int(first.id[1:]) + 1}"], self.deletes())

    def test_a_delete_that_failed_releases_nothing(self) -> None:
        self.going(2)
        (work,) = self.claim(kind=DELETE)
        self.move(
            self.start(work),
            task.State.PLANNED,
            backup=self.row(1, state=model.BackupState.DELETING),
            not_before=NOW + SECOND,
        )
        self.assertEqual([], self.deletes())
        self.assertEqual(["d1"], self.deletes(now=NOW + SECOND))

    def test_an_overtaken_move_releases_nothing(self) -> None:
        self.going(2)
        (work,) = self.claim(kind=DELETE)
        started = self.start(work)
        self.store.take_over([started], "c2", NOW, "c1 is gone")
        self.assertIsNone(
            self.move(started, task.State.SUCCEEDED, forget_backup="b1")
        )
        self.assertEqual([], self.deletes())
        self.assertEqual("b1", self.in_store("d2").waits_for)

    def test_a_backup_that_vanishes_on_the_way_releases(self) -> None:
        self.going(2)
        (work,) = self.claim(kind=DELETE)
        self.move(
            self.start(work),
            task.State.SUCCEEDED,
            backup=self.row(1, state=VANISHED, missing_since=NOW),
        )
        self.assertEqual(["d2"], self.deletes())

    def test_a_backup_that_is_proved_gone_releases(self) -> None:
        row = self.row(1, missing_since=NOW)
        self.plan(removal(2, waits_for="b1"), adopted=[row])
        self.plan(vanished=[dataclasses.replace(row, missing_since=None)])
        self.assertEqual([], self.deletes())
        self.plan(vanished=[row])
        self.assertIsNone(self.in_store("d2").waits_for)
        self.assertEqual(["d2"], self.deletes())

    def test_what_waits_for_nothing_that_is_there_is_released(self) -> None:
        """Its dependent went while it was being planned."""
        self.plan(
            removal(1, waits_for="b9"),
            removal(2, waits_for="b9"),
            removal(3, waits_for="b8"),
            removal(4, waits_for="b7"),
            removal(5),
            adopted=[self.row(8, state=VANISHED), self.row(7)],
        )
        self.assertEqual(3, self.store.release_waiting())
        self.assertEqual(0, self.store.release_waiting())
        self.assertEqual(["d1", "d2", "d3", "d5"], sorted(self.deletes()))
        self.assertEqual("b7", self.in_store("d4").waits_for)

    def test_a_release_is_not_undone_by_a_move_that_began_before(
        self,
    ) -> None:
        self.going(3)
        self.plan(removal(4, waits_for="b1"))
        before = self.in_store("d2")
        (work,) = self.claim(kind=DELETE)
        self.deleted(work)
        moved = self.move(before, task.State.CLAIMED, claimed_by="c1")
        self.assertIsNotNone(moved)
        self.assertIsNone(self.in_store("d2").waits_for)

    def test_what_waits_may_be_cancelled(self) -> None:
        self.going(2)
        (done,) = self.plan(cancelled=["d2"], cancel_reason="to be kept")
        self.assertEqual("d2", done.id)
        (work,) = self.claim(kind=DELETE)
        self.deleted(work)
        self.assertEqual(task.State.CANCELLED, self.in_store("d2").state)
        self.assertEqual([], self.deletes())

    # -- limits --------------------------------------------------------------

    def test_no_more_deletes_run_than_the_limit(self) -> None:
        self.plan(*(removal(number, rank=number) for number in range(1, 7)))
        first = self.claim(kind=DELETE, running=2)
        self.assertEqual(["d1", "d2"], [work.id for work in first])
        self.assertEqual([], self.deletes(running=2))
        self.deleted(first[0])
        self.assertEqual(["d3"], self.deletes(running=2))
        self.assertEqual(["d4"], self.deletes(running=3))
        self.assertEqual([], self.deletes(running=1))
        self.assertEqual(["d5", "d6"], self.deletes())

    def test_deletes_and_backups_have_limits_of_their_own(self) -> None:
        self.plan(
            *(planned(number) for number in range(1, 5)),
            *(removal(number) for number in range(1, 5)),
        )
        self.assertEqual(2, len(self.claim(running=2)))
        self.assertEqual(2, len(self.deletes(running=2)))
        self.assertEqual([], self.claim(running=2))
        self.assertEqual([], self.deletes(running=2))
        self.assertEqual(1, len(self.deletes(running=3)))
        self.assertEqual(1, len(self.claim(running=3)))

    def test_deletes_of_a_project_have_a_limit(self) -> None:
        self.plan(
            removal(1, project_id="a"),
            removal(2, project_id="a"),
            removal(3, project_id="b"),
            planned(4, project_id="a"),
        )
        self.assertEqual(["d1", "d3"], sorted(self.deletes(per_project=1)))
        self.assertEqual(["d2"], self.deletes(per_project=2))

    def test_deletes_claimed_at_once_keep_the_limit(self) -> None:
        self.plan(*(removal(number) for number in range(1, 13)))
        found = self.at_once(
            4,
            lambda number: self.store.claim(
                f"c{number}", DELETE, 8, NOW, ports.Throttle(running=5)
            ),
        )
        claimed = [work.id for some in found for work in some]
        self.assertEqual(len(claimed), len(set(claimed)))
        self.assertLessEqual(len(claimed), 5)
        more = self.deletes(running=5)
        self.assertEqual(5, len(claimed) + len(more))

    # -- what is planned already ---------------------------------------------

    def test_a_delete_whose_slot_is_taken_is_left_out(self) -> None:
        self.going(2)
        again = removal(2, id="again", waits_for="b1")
        other = removal(3, waits_for="b2")
        self.assertEqual([other], self.plan(again, other))
        self.assertIsNone(self.store.get_task("again"))

    def test_live_tasks_are_read_by_slot(self) -> None:
        self.going(2)
        self.plan(planned(1), planned(2), removal(7))
        self.plan(cancelled=["t2", "d7"], cancel_reason="gone")
        (claimed,) = self.claim(kind=DELETE)
        slots = [task.delete_slot(f"b{number}") for number in range(1, 1200)]
        slots += [task.backup_slot("v1"), task.backup_slot("v2")]
        found = self.store.live_tasks(slots)
        self.assertEqual({"d1", "d2", "t1"}, {work.id for work in found})
        self.assertIn(claimed, found)
        self.assertEqual([], self.store.live_tasks([]))

    def test_a_history_tells_which_links_are_to_go(self) -> None:
        self.plan(
            adopted=[
                self.row(
                    number,
                    volume_id="v1",
                    created_at=NOW + number * SECOND,
                    completed_at=NOW,
                    incremental=number > 1,
                )
                for number in (1, 2, 3)
            ]
        )
        self.assertEqual(frozenset(), self.history().to_go)
        self.plan(
            removal(3), removal(2, waits_for="b3"), removal(9, volume_id="v1")
        )
        self.assertEqual(frozenset({"b2", "b3"}), self.history().to_go)
        self.plan(cancelled=["d2"], cancel_reason="to be kept")
        self.assertEqual(frozenset({"b3"}), self.history().to_go)

    # -- the breaker ---------------------------------------------------------

    def test_a_round_that_is_too_large_waits_for_a_yes(self) -> None:
        self.assertIsNone(self.store.breaker())
        self.assertIsNone(self.store.confirm_breaker())
        before = self.store.now()
        self.store.trip_breaker(self.term, 60, 100, None)
        found = self.tripped()
        self.assertEqual(
            (60, 100, None), (found.would, found.total, found.confirmed_at)
        )
        self.assertLessEqual(before, found.tripped_at)
        confirmed = self.store.confirm_breaker()
        assert confirmed
        assert confirmed.confirmed_at
        self.assertLessEqual(found.tripped_at, confirmed.confirmed_at)
        self.assertEqual(
            dataclasses.replace(found, confirmed_at=confirmed.confirmed_at),
            confirmed,
        )
        self.assertEqual(confirmed, self.store.breaker())

    def test_a_round_of_another_size_needs_another_yes(self) -> None:
        self.store.trip_breaker(self.term, 60, 100, None)
        first = self.tripped()
        self.store.confirm_breaker()
        self.store.trip_breaker(self.term, 70, 101, self.tripped())
        self.assertEqual(
            dataclasses.replace(first, would=70, total=101), self.tripped()
        )

    def test_a_yes_that_comes_while_a_round_is_counted_stays(self) -> None:
        self.store.trip_breaker(self.term, 60, 100, None)
        seen = self.tripped()
        confirmed = self.store.confirm_breaker()
        self.store.trip_breaker(self.term, 61, 100, seen)
        self.assertEqual(confirmed, self.store.breaker())

    def test_a_breaker_is_reset(self) -> None:
        self.store.reset_breaker(self.term)
        self.store.trip_breaker(self.term, 60, 100, None)
        self.store.confirm_breaker()
        self.store.reset_breaker(self.term)
        self.assertIsNone(self.store.breaker())
        self.assertIsNone(self.store.confirm_breaker())
        self.store.trip_breaker(self.term, 60, 100, None)
        self.assertIsNone(self.tripped().confirmed_at)

    def test_an_overtaken_scheduler_leaves_the_breaker(self) -> None:
        self.store.trip_breaker(self.term, 60, 100, None)
        before = self.tripped()
        self.store.take_office("c2")
        for call in (
            lambda: self.store.trip_breaker(self.term, 1, 2, before),
            lambda: self.store.reset_breaker(self.term),
            lambda: self.store.note_reconciled(self.term, NOW),
        ):
            self.assertRaises(errors.OvertakenError, call)
        self.assertEqual(before, self.tripped())
        self.assertIsNone(self.store.reconciled_at())

    def tripped(self) -> model.Breaker:
        found = self.store.breaker()
        assert found
        return found
