# SPDX-License-Identifier: Apache-2.0
"""What every store has to keep: how rows of backups come and go."""

from __future__ import annotations

import dataclasses
import datetime

from staffeln.domain import errors, model
from staffeln.tests.functional.db import store_case
from staffeln.tests.functional.db.retention_suite import (
    GOVERNED,
    VANISHED,
    ids,
)
from staffeln.tests.functional.db.store_case import DAY, NOW, SECOND


class LastingSuite(store_case.StoreCase):
    """Part of :class:`suite.StoreSuite`."""

    def test_adopting_leaves_a_row_that_is_there(self) -> None:
        self.adopt(self.row(1, retention="1d"))
        before = self.backup_in_store("b1")
        self.adopt(
            self.row(1, retention="2d", reason="other"),
            self.row(2, retention="3d", reason="adopted"),
        )
        self.assertEqual(before, self.backup_in_store("b1"))
        adopted = self.backup_in_store("b2")
        self.assertIsNotNone(adopted.updated_at)
        self.assertEqual(
            self.row(2, retention="3d", reason="adopted"),
            dataclasses.replace(adopted, updated_at=None),
        )

    def test_what_is_proved_gone_vanishes(self) -> None:
        self.adopt(self.row(1, missing_since=NOW, **GOVERNED))
        before = self.backup_in_store("b1")
        self.plan(vanished=[before])
        after = self.backup_in_store("b1")
        self.assertNotEqual("", after.reason)
        self.assertEqual(
            dataclasses.replace(
                before,
                state=VANISHED,
                reason=after.reason,
                updated_at=after.updated_at,
            ),
            after,
        )
        self.plan(vanished=[before])
        self.assertEqual(after, self.backup_in_store("b1"))

    def test_what_came_back_does_not_vanish(self) -> None:
        """It was seen, or was given another state, after it was proved."""
        proved = [
            self.row(number, missing_since=NOW) for number in range(1, 5)
        ]
        self.adopt(*proved[:3])
        first, second, _ = proved[:3]
        self.store.note_missing(first, None)
        self.store.note_missing(second, NOW + SECOND)
        self.keep(
            self.row(3, missing_since=NOW, state=model.BackupState.DELETING)
        )
        before = self.store.backups()
        self.plan(vanished=proved)
        self.assertEqual(before, self.store.backups())

    def test_what_had_vanished_is_available_again(self) -> None:
        """As it was governed; whatever has another state stays."""
        gone = self.row(
            1,
            state=VANISHED,
            missing_since=NOW,
            broken_since=NOW,
            completed_at=NOW,
            **GOVERNED,
        )
        others = [
            self.row(number, state=state, missing_since=NOW)
            for number, state in enumerate(model.BackupState, 2)
            if state is not VANISHED
        ]
        self.adopt(gone, *others)
        untouched = {
            row.id: row for row in self.store.backups() if row.id != "b1"
        }
        self.plan(returned=[gone, *others, self.row(99)])
        after = {row.id: row for row in self.store.backups()}
        self.assertEqual(
            dataclasses.replace(
                gone,
                state=model.BackupState.AVAILABLE,
                missing_since=None,
                broken_since=None,
                reason=model.RETURNED,
                updated_at=after["b1"].updated_at,
            ),
            after.pop("b1"),
        )
        self.assertEqual(untouched, after)

    def test_only_who_is_in_office_takes_back_what_vanished(self) -> None:
        self.adopt(self.row(1, state=VANISHED, missing_since=NOW))
        before = self.backup_in_store("b1")
        self.store.take_office("c2")
        self.assertRaises(errors.OvertakenError, self.plan, returned=[before])
        self.assertEqual(before, self.backup_in_store("b1"))

    def test_the_vanished_are_forgotten_after_a_while(self) -> None:
        self.adopt(
            self.row(1, state=VANISHED, missing_since=NOW),
            self.row(2, state=VANISHED, missing_since=NOW - DAY),
            self.row(3, state=VANISHED, missing_since=NOW + SECOND),
            self.row(4, state=VANISHED),
            *(
                self.row(number, state=state, missing_since=NOW)
                for number, state in enumerate(model.BackupState, 5)
                if state is not VANISHED
            ),
        )
        self.assertEqual(2, self.store.forget_vanished(self.term, NOW))
        self.assertEqual(0, self.store.forget_vanished(self.term, NOW))
        self.assertEqual(
            {"b3", "b4", "b5", "b6", "b7", "b8"},
            set(ids(self.store.backups())),
        )

    def test_rows_are_read_by_when_they_were_made(self) -> None:
        self.adopt(
            *(
                self.row(number, created_at=NOW + number * SECOND)
                for number in range(6)
            ),
            self.row(6, created_at=NOW + 3 * SECOND, state=VANISHED),
            self.row(7, created_at=NOW + 3 * SECOND, missing_since=NOW),
        )
        span = NOW + SECOND, NOW + 4 * SECOND
        whole = ["b4", "b7", "b6", "b3", "b2"]
        self.assertEqual(whole, ids(self.store.made_between(*span, None, 9)))

    def test_rows_of_a_time_are_read_in_pages(self) -> None:
        self.adopt(
            *(
                self.row(number, created_at=NOW + number // 4 * SECOND)
                for number in range(4, 12)
            ),
        )
        span = NOW, NOW + 9 * SECOND
        whole = self.store.made_between(*span, None, 99)
        self.assertEqual(8, len(whole))
        pages = []
        last = None
        while page := self.store.made_between(*span, last, 3):
            pages.append(ids(page))
            last = page[-1]
        self.assertEqual([3, 3, 2], [len(page) for page in pages])
        self.assertEqual(ids(whole), [each for page in pages for each in page])
        early = self.store.made_between(NOW, NOW + SECOND, whole[0], 99)
        self.assertEqual(ids(whole[4:]), ids(early))

    def test_a_reconciliation_is_noted(self) -> None:
        self.assertIsNone(self.store.reconciled_at())
        when = NOW + datetime.timedelta(microseconds=1)
        self.store.note_reconciled(self.term, when)
        self.assertEqual(when, self.store.reconciled_at())
