# SPDX-License-Identifier: Apache-2.0
"""What every store has to keep: what governs backups, and what is due."""

from __future__ import annotations

import dataclasses
from typing import Any

from staffeln.domain import model, task
from staffeln.tests.functional.db import store_case
from staffeln.tests.functional.db.store_case import (
    DAY,
    NOW,
    SECOND,
    STRANGE_NAME,
)

AVAILABLE = model.BackupState.AVAILABLE
VANISHED = model.BackupState.VANISHED
NOT_AVAILABLE = [each for each in model.BackupState if each is not AVAILABLE]

GOVERNED: dict[str, Any] = {
    "retention": "1mon",
    "retention_known": False,
    "retention_valid": "2d",
    "kept_for": "30d",
    "grace": "7d",
    "expires_at": NOW + SECOND / 3,
}


def ids(found: list[model.Backup]) -> list[str]:
    return [row.id for row in found]


class RetentionSuite(store_case.StoreCase):
    """Part of :class:`suite.StoreSuite`."""

    # -- what governs --------------------------------------------------------

    def governances(self, after: str = "", limit: int = 100) -> list[str]:
        """Each sort as ``volume:server:value``, in order of volume."""
        found = self.store.governances(after, limit)
        volumes = [each.volume_id for each in found]
        self.assertEqual(sorted(volumes), volumes)
        return sorted(
            f"{each.volume_id}:{each.server_id}:{each.retention}"
            for each in found
        )

    def test_governances_come_once_each(self) -> None:
        self.adopt(
            self.row(1, volume_id="va", server_id="s1"),
            self.row(2, volume_id="va", server_id="s1"),
            self.row(3, volume_id="va", server_id="s2"),
            self.row(4, volume_id="vb", server_id="s1", retention="5d"),
            self.row(5, volume_id="vb", server_id="s1", state=VANISHED),
        )
        self.assertEqual(
            ["va:s1:None", "va:s2:None", "vb:s1:5d", "vb:s1:None"],
            self.governances(),
        )

    def test_a_governance_holds_all_that_governs(self) -> None:
        row = self.row(1, server_id="s1", **GOVERNED)
        self.adopt(row)
        self.assertEqual([row.governance], self.store.governances("", 9))
        for change in (
            {"retention_known": True},
            {"retention_valid": None},
            {"kept_for": "31d"},
            {"grace": ""},
        ):
            other = dataclasses.replace(row, **change)
            self.plan(governed=[other])
            self.assertEqual([other.governance], self.store.governances("", 9))

    def test_governances_are_read_by_pages_of_volumes(self) -> None:
        self.adopt(
            *(
                self.row(number, volume_id=f"v{number // 3}", retention=kept)
                for number, kept in enumerate(["1d", "2d", "3d"] * 4)
            )
        )
        pages = []
        after = ""
        while page := self.store.governances(after, 3):
            pages.append([each.volume_id for each in page])
            after = page[-1].volume_id
        self.assertEqual(
            [["v0"] * 3 + ["v1"] * 3 + ["v2"] * 3, ["v3"] * 3], pages
        )

    def test_volumes_with_a_grace_are_read_by_pages(self) -> None:
        self.adopt(
            self.row(1, volume_id="va", grace="7d"),
            self.row(2, volume_id="va", grace="7d"),
            self.row(3, volume_id="va", grace="5d"),
            self.row(4, volume_id="vb", grace="7d"),
            self.row(5, volume_id="vc", grace="7d"),
            self.row(6, volume_id="vd"),
        )
        pages = []
        after = ("", "")
        while page := self.store.shortened(after, 2):
            pages.append(page)
            after = page[-1]
        self.assertEqual(
            [[("5d", "va"), ("7d", "va")], [("7d", "vb"), ("7d", "vc")]],
            pages,
        )

    def test_values_that_differ_by_case_stay_apart(self) -> None:
        self.adopt(
            self.row(1, volume_id="va", retention="1D"),
            self.row(2, volume_id="va", retention="1d"),
            self.row(3, volume_id="va", retention="1ď"),
            self.row(4, volume_id="vb", retention=STRANGE_NAME[:255]),
        )
        self.assertEqual(
            sorted(
                [
                    "va::1D",
                    "va::1d",
                    "va::1ď",
                    f"vb::{STRANGE_NAME[:255]}",
                ]
            ),
            self.governances(),
        )

    def test_governing_writes_what_governs_and_nothing_else(self) -> None:
        row = self.row(1, volume_name="before", completed_at=NOW)
        self.adopt(row, self.row(2))
        before = self.backup_in_store("b1")
        other = self.backup_in_store("b2")
        self.plan(
            governed=[
                self.row(
                    1,
                    volume_id="v9",
                    volume_name="after",
                    project_id="p9",
                    state=VANISHED,
                    completed_at=None,
                    missing_since=NOW,
                    reason="other",
                    **GOVERNED,
                ),
                self.row(7, **GOVERNED),
            ]
        )
        after = self.backup_in_store("b1")
        self.assertEqual(
            dataclasses.replace(
                before, **{**GOVERNED, "updated_at": after.updated_at}
            ),
            after,
        )
        self.assertEqual(other, self.backup_in_store("b2"))
        self.assertIsNone(self.store.get_backup("b7"))

    def test_a_move_leaves_what_governs(self) -> None:
        """A worker knows a row from before the scheduler governed it."""
        running = self.run_one()
        before = self.backup_in_store("b1")
        self.plan(governed=[dataclasses.replace(before, **GOVERNED)])
        self.move(
            running,
            task.State.SUCCEEDED,
            backup=dataclasses.replace(
                before,
                state=AVAILABLE,
                completed_at=NOW,
                retention="9y",
                kept_for="9y",
                expires_at=NOW + 9 * DAY,
            ),
        )
        after = self.backup_in_store("b1")
        self.assertEqual(
            dataclasses.replace(
                before,
                state=AVAILABLE,
                completed_at=NOW,
                updated_at=after.updated_at,
                **GOVERNED,
            ),
            after,
        )

    def test_a_new_row_comes_with_what_governs_it(self) -> None:
        self.keep(self.row(1, **GOVERNED))
        self.store.keep_backup(self.row(2, **GOVERNED))
        self.adopt(self.row(3, **GOVERNED))
        self.assertEqual(3, len(self.store.backups()))
        for row in self.store.backups():
            self.assertEqual(
                GOVERNED, {name: getattr(row, name) for name in GOVERNED}
            )

    def test_backups_are_read_by_volumes(self) -> None:
        self.adopt(
            *(
                self.row(number, volume_id="va", state=state)
                for number, state in enumerate(model.BackupState)
            ),
            self.row(8, volume_id="vb"),
            self.row(9, volume_id="vc"),
        )
        found = self.store.backups_of_volumes(["va", "vb", "none"])
        self.assertEqual(
            {"va": ["b0", "b1", "b2", "b3", "b4"], "vb": ["b8"]},
            {
                volume_id: sorted(ids(rows))
                for volume_id, rows in found.items()
            },
        )
        self.assertEqual({}, self.store.backups_of_volumes([]))

    def test_backups_of_many_volumes_are_read(self) -> None:
        self.adopt(self.row(1), self.row(1100))
        found = self.store.backups_of_volumes(
            [f"v{number}" for number in range(1200)]
        )
        self.assertEqual({"v1", "v1100"}, found.keys())

    # -- what is due ---------------------------------------------------------

    def test_the_volumes_of_the_expired_are_read(self) -> None:
        self.assertEqual([], list(self.store.expired_volumes(NOW, 1)))
        self.adopt(
            self.row(1, expires_at=NOW),
            self.row(2, expires_at=NOW - DAY),
            self.row(3, expires_at=NOW + SECOND / 1_000_000),
            self.row(4),
            *(
                self.row(number, expires_at=NOW - DAY, state=state)
                for number, state in enumerate(NOT_AVAILABLE, 5)
            ),
        )
        self.assertEqual(
            [["v2"], ["v1"]], list(self.store.expired_volumes(NOW, 1))
        )
        self.assertEqual(2, self.store.count_expired(NOW))
        self.assertEqual(1, self.store.count_expired(NOW - SECOND))
        (page,) = self.store.expired_volumes(NOW, 9)
        self.assertEqual(["v1", "v2"], sorted(page))

    def test_the_expired_are_looked_at_in_pages(self) -> None:
        """Many expire at the same moment, as those of one cycle do."""
        at_once = [
            self.row(
                number,
                volume_id=f"v{number // 4}",
                expires_at=NOW - (number % 2) * SECOND,
            )
            for number in range(10, 30)
        ]
        self.adopt(*at_once)
        ordered = sorted(at_once, key=lambda row: (row.expires_at, row.id))
        for limit in (1, 3, 10, 20, 21):
            expected = [
                sorted({row.volume_id for row in ordered[start:][:limit]})
                for start in range(0, len(ordered), limit)
            ]
            found = map(sorted, self.store.expired_volumes(NOW, limit))
            self.assertEqual(expected, list(found))

    def test_the_undated_are_those_whose_server_was_never_read(self) -> None:
        unread = {"retention_known": False}
        self.adopt(
            self.row(1, created_at=NOW, **unread),
            self.row(2, created_at=NOW + SECOND, **unread),
            self.row(3, created_at=NOW),
            self.row(4, created_at=NOW, expires_at=NOW, **unread),
            *(
                self.row(number, created_at=NOW, state=state, **unread)
                for number, state in enumerate(NOT_AVAILABLE, 5)
            ),
            self.row(9, created_at=NOW - DAY, **unread),
        )
        self.assertEqual(["b1", "b9"], ids(self.store.undated(NOW, "", 9)))
        self.assertEqual(["b1"], ids(self.store.undated(NOW, "", 1)))
        self.assertEqual(["b9"], ids(self.store.undated(NOW, "b1", 1)))
        self.assertEqual([], self.store.undated(NOW, "b9", 1))

    def test_the_missing_are_read_once_it_is_long_enough(self) -> None:
        self.adopt(
            self.row(1, missing_since=NOW),
            self.row(2, missing_since=NOW - DAY),
            self.row(3, missing_since=NOW + SECOND),
            self.row(4),
            *(
                self.row(number, missing_since=NOW, state=state)
                for number, state in enumerate(NOT_AVAILABLE, 5)
            ),
        )
        self.assertEqual({"b1", "b2"}, set(ids(self.store.missing(NOW))))

    def test_the_broken_are_read_page_by_page(self) -> None:
        self.adopt(
            self.row(1, broken_since=NOW),
            self.row(2, broken_since=NOW - DAY),
            self.row(3, broken_since=NOW),
            self.row(4),
            *(
                self.row(number, broken_since=NOW, state=state)
                for number, state in enumerate(NOT_AVAILABLE, 5)
            ),
        )
        first = self.store.broken(None, 2)
        self.assertEqual(["b2", "b1"], ids(first))
        rest = self.store.broken(first[-1], 2)
        self.assertEqual(["b3"], ids(rest))
        self.assertEqual([], self.store.broken(rest[-1], 2))

    def test_the_vanished_are_not_counted(self) -> None:
        self.assertEqual(0, self.store.count_managed())
        self.adopt(
            *(
                self.row(number, state=state)
                for number, state in enumerate(model.BackupState)
            ),
            self.row(9),
        )
        self.assertEqual(len(model.BackupState), self.store.count_managed())
