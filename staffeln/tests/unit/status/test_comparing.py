# SPDX-License-Identifier: Apache-2.0
"""Which backups of Cinder are ours and have no row."""

from __future__ import annotations

import types
from typing import Any, cast
from unittest import mock

from staffeln import ports
from staffeln.domain import model, naming, task
from staffeln.status.comparing import OfBoth
from staffeln.tests import base
from staffeln.tests.fakes.memory_store import MemoryStore
from staffeln.tests.unit.domain import samples

US = model.CloudIdentity(
    auth_url="http://k", region="r", block_storage_url="http://c", user_id="us"
)


class OrphanTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.store = MemoryStore()
        self.store.bind_cloud(US)

    def found(self, *shown: model.CloudBackup) -> list[str]:
        """Ids of what is told as without a row."""
        page = ports.Page(items=shown, total=len(shown))
        cloud = types.SimpleNamespace(backup_pages=lambda: iter([page]))
        patient = types.SimpleNamespace(
            store=lambda: self.store, cloud=lambda: cloud
        )
        nobody = cast(Any, None)
        looks = OfBoth(cast(Any, patient), nobody, nobody, 1.0)
        return [
            each.where["backup_id"]
            for each in looks.orphans()
            if each.kind == "orphan"
        ]

    def shown(self, task_id: str = "t1", **changes: Any) -> model.CloudBackup:
        values: dict[str, Any] = {
            "id": "b1",
            "project_id": "p1",
            "volume_id": "v1",
            "status": "available",
            "incremental": False,
            "created_at": samples.NOW,
            "size": 1,
            "metadata": naming.backup_metadata(
                self.store.deployment().uuid, task_id, 1
            ),
            "user_id": US.user_id,
        }
        return model.CloudBackup(**{**values, **changes})

    def test_ours_without_a_row(self) -> None:
        self.assertEqual(["b1"], self.found(self.shown()))

    def test_an_old_cinder_does_not_tell_who_made_it(self) -> None:
        self.assertEqual(["b1"], self.found(self.shown(user_id=None)))

    def test_what_a_member_wrote_into_metadata_is_not_ours(self) -> None:
        self.assertEqual([], self.found(self.shown(user_id="a member")))

    def test_another_deployments_is_not_ours(self) -> None:
        other = naming.backup_metadata("another", "t1", 1)
        self.assertEqual([], self.found(self.shown(metadata=other)))

    def test_only_a_task_that_is_held_writes_the_row_yet(self) -> None:
        for state in task.State:
            work = samples.backup_task(state=state)
            with mock.patch.object(self.store, "get_task", return_value=work):
                found = self.found(self.shown())
            self.assertEqual([] if state in task.HELD else ["b1"], found)
