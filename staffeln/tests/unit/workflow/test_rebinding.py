# SPDX-License-Identifier: Apache-2.0
"""Binding a database to another cloud, on purpose only."""

from __future__ import annotations

import dataclasses

from staffeln.domain import errors
from staffeln.tests.unit.workflow import world
from staffeln.workflow import binding, rebinding


class RebindingTest(world.WorldTest):
    def setUp(self) -> None:
        super().setUp()
        self.world = self.new_world()
        self.cloud = self.world.cloud
        self.volume = self.world.protect()
        self.world.backup_cycle()
        self.before = self.cloud.cloud_identity
        self.cloud.cloud_identity = dataclasses.replace(
            self.before, user_id="another-user"
        )
        self.told: list[str] = []

    def rebind(self, *, really: bool = True, forced: bool = False) -> None:
        rebinding.rebind(
            self.cloud,
            self.world.store,
            self.told.append,
            really=really,
            forced=forced,
        )

    def bound(self) -> object:
        return self.world.store.deployment().identity

    def stop_conductors(self) -> None:
        for each in self.world.store.conductors():
            self.world.store.unregister_conductor(each.id)

    def test_only_what_differs_is_shown(self) -> None:
        self.stop_conductors()
        self.rebind(really=False)
        self.assertEqual(
            [
                "user_id: service-user -> another-user",
                "1 of the 1 newest managed backups are in this cloud",
                "nothing was written: --yes does it",
            ],
            self.told,
        )
        self.assertEqual(self.before, self.bound())

    def test_what_was_refused_goes_on(self) -> None:
        self.stop_conductors()
        self.assertRaises(
            errors.WrongCloudError,
            binding.prove,
            self.cloud,
            self.world.store,
        )
        self.rebind()
        binding.prove(self.cloud, self.world.store)
        self.assertEqual(self.cloud.cloud_identity, self.bound())
        self.rebind()
        self.assertIn("nothing to do", self.told[-1])

    def test_a_cloud_without_the_backups_is_refused(self) -> None:
        self.stop_conductors()
        for backup in list(self.cloud.backups):
            self.cloud.vanish(backup)
        error = self.assertRaises(errors.WrongCloudError, self.rebind)
        self.assertIn("--force", str(error))
        self.assertEqual(self.before, self.bound())
        self.rebind(forced=True)
        self.assertEqual(self.cloud.cloud_identity, self.bound())

    def test_conductors_have_to_be_stopped(self) -> None:
        error = self.assertRaises(errors.WrongCloudError, self.rebind)
        self.assertIn("conductors on host", str(error))
        self.assertEqual(self.before, self.bound())

    def test_administrators_alone_may(self) -> None:
        self.stop_conductors()
        self.cloud.administrator = False
        self.assertRaises(errors.NotAdministratorError, self.rebind)
        self.assertEqual(self.before, self.bound())
