# SPDX-License-Identifier: Apache-2.0
"""What every look at one backup has to keep: ``ports.Lookup``."""

from __future__ import annotations

from staffeln import ports
from staffeln.domain import checking, model, task
from staffeln.tests.functional.db import store_case


class LookupSuite(store_case.StoreCase):
    """Inherit this with ``new_store`` and ``new_lookup``."""

    lookup: ports.Lookup

    def setUp(self) -> None:
        super().setUp()
        self.lookup = self.new_lookup()

    def new_lookup(self) -> ports.Lookup:
        """The look at ``self.store``."""
        raise NotImplementedError

    def look(
        self, backup_id: str = "b1", volume_id: str | None = None
    ) -> checking.Standing:
        return self.lookup.look(backup_id, volume_id)

    def test_the_deployment(self) -> None:
        found = self.look()
        self.assertEqual(self.store.deployment().uuid, found.deployment_uuid)
        self.assertIsNone(found.service_user)
        self.assertTrue(found.schema_is_current)

    def test_the_cloud_that_it_is_bound_to(self) -> None:
        self.store.bind_cloud(store_case.IDENTITY)
        self.assertEqual(store_case.IDENTITY.user_id, self.look().service_user)

    def test_the_term_grows(self) -> None:
        before = self.look().age
        self.assertEqual(self.term, before.term)
        self.store.take_office("another")
        self.assertEqual(before.term + 1, self.look().age.term)

    def test_who_took_a_term_is_told_later_as_well(self) -> None:
        before = self.look().age
        self.assertIn("scheduler", before.holder)
        self.assertEqual("", before.known_holder)
        self.store.take_office("another")
        found = self.lookup.look("b1", None, before.term).age
        self.assertIn("another", found.holder)
        self.assertEqual(
            (before.term, before.holder),
            (found.known_term, found.known_holder),
        )
        self.assertEqual(
            "", self.lookup.look("b1", None, 900).age.known_holder
        )

    def test_no_row(self) -> None:
        self.keep(self.row(2))
        self.assertIsNone(self.look("b1").backup_state)

    def test_a_row_of_each_state(self) -> None:
        for number, state in enumerate(model.BackupState, start=1):
            self.keep(self.row(number, state=state))
            self.assertEqual(state, self.look(f"b{number}").backup_state)

    def test_ids_compare_byte_by_byte(self) -> None:
        self.keep(self.row(1))
        for other in ("B1", "b", "b11", "\uff421"):
            self.assertIsNone(self.look(other).backup_state, other)

    def test_a_volume_is_settled_until_a_call_is_made(self) -> None:
        self.assertFalse(self.look(volume_id="v1").unsettled_volume)
        self.plan(store_case.planned(1))
        self.assertFalse(self.look(volume_id="v1").unsettled_volume)
        (claimed,) = self.claim()
        self.assertFalse(self.look(volume_id="v1").unsettled_volume)
        self.start(claimed)
        self.assertTrue(self.look(volume_id="v1").unsettled_volume)
        self.assertFalse(self.look(volume_id="v2").unsettled_volume)
        self.assertFalse(self.look(volume_id=None).unsettled_volume)

    def test_a_row_settles_its_volume(self) -> None:
        self.run_one(1)
        self.assertFalse(self.look(volume_id="v1").unsettled_volume)
        self.assertEqual(
            model.BackupState.CREATING, self.look("b1").backup_state
        )

    def test_a_running_task_without_a_row_does_not(self) -> None:
        self.plan(store_case.planned(1))
        (claimed,) = self.claim()
        self.move(self.start(claimed), task.State.RUNNING, backup_id="b1")
        self.assertTrue(self.look(volume_id="v1").unsettled_volume)

    def test_a_running_task_that_names_nothing_does_not(self) -> None:
        self.plan(store_case.planned(1))
        (claimed,) = self.claim()
        self.move(self.start(claimed), task.State.RUNNING)
        self.assertTrue(self.look(volume_id="v1").unsettled_volume)

    def test_a_task_that_ended_settles_it(self) -> None:
        self.plan(store_case.planned(1))
        (claimed,) = self.claim()
        self.move(self.start(claimed), task.State.FAILED)
        self.assertFalse(self.look(volume_id="v1").unsettled_volume)

    def test_a_delete_unsettles_no_volume(self) -> None:
        self.plan(store_case.removal(1, volume_id="v1"))
        (claimed,) = self.claim(kind=task.Kind.DELETE)
        self.start(claimed)
        self.assertFalse(self.look(volume_id="v1").unsettled_volume)
