# SPDX-License-Identifier: Apache-2.0
"""Many moves at once: what is refused, and a database that goes away."""

from __future__ import annotations

import types
from collections.abc import Sequence
from typing import cast

from staffeln import ports
from staffeln.domain import errors, task
from staffeln.tests import base
from staffeln.tests.unit.workflow.test_together import change
from staffeln.workflow import record, together

ALL = 1000


class SaveAllTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.refused: set[str] = set()
        self.gone_for: set[str] = set()
        """Where the database goes away: when one of these is asked for."""
        self.transactions = 0
        self.saved: list[str] = []
        store = types.SimpleNamespace(advance=self.advance)
        self.recorder = record.Recorder(cast(ports.Store, store), "c1")

    def advance(
        self, changes: Sequence[ports.Change], _conductor_id: str
    ) -> list[task.Task]:
        self.transactions += 1
        ids = [each.before.id for each in changes]
        if self.gone_for.intersection(ids):
            raise errors.StoreError("gone")
        if self.refused.intersection(ids):
            raise errors.StoreRefusedError("no")
        self.saved += ids
        return [each.after for each in changes]

    def save_all(self) -> None:
        self.recorder.save_all([change(number) for number in range(ALL)])

    def test_what_is_refused_keeps_no_other_from_it(self) -> None:
        for bad in (
            {10},
            {10, 210, 410},
            {10, 11, 12, 13},
            set(range(0, ALL, 50)),
            set(range(ALL - 1)),
        ):
            self.saved.clear()
            self.refused = {f"t{number}" for number in bad}
            self.assertRaises(errors.StoreRefusedError, self.save_all)
            self.assertEqual(
                [f"t{n}" for n in range(ALL) if n not in bad], self.saved
            )

    def test_one_that_is_refused_takes_few_transactions(self) -> None:
        self.refused = {"t10"}
        self.assertRaises(errors.StoreRefusedError, self.save_all)
        self.assertGreater(ALL // together.MOST + 20, self.transactions)

    def test_nothing_waits_for_a_database_that_is_away(self) -> None:
        self.gone_for = {f"t{number}" for number in range(200, ALL)}
        self.assertRaises(errors.StoreError, self.save_all)
        self.assertEqual(together.MOST, len(self.saved))
        self.assertEqual(1 + record.FAILURES_TO_STOP, self.transactions)

    def test_one_batch_that_failed_keeps_no_other_from_it(self) -> None:
        self.gone_for = {"t10", "t410"}
        self.assertRaises(errors.StoreError, self.save_all)
        self.assertEqual(ALL - 2 * together.MOST, len(self.saved))
