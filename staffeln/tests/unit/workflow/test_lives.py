# SPDX-License-Identifier: Apache-2.0
"""Volumes over many days: what holds whatever a day brings."""

from __future__ import annotations

import hypothesis
from hypothesis import strategies as st

from staffeln.domain import durations, errors, model, task
from staffeln.tests.unit.workflow import world
from staffeln.tests.unit.workflow.world import ABSENCE, DAY, SETTLE

DAYS = (
    *("good", "good", "good", "error", "refused", "lost", "vanished"),
    *("too long", "busy", "moved"),
)


class LifeTest(world.WorldTest):
    @hypothesis.settings(max_examples=150)
    @hypothesis.given(
        st.integers(0, 3), st.lists(st.sampled_from(DAYS), max_size=14)
    )
    def test_any_life(self, depth: int, days: list[str]) -> None:
        # Longer than any of these lives: what expires is another matter.
        kept = durations.Duration(years=1)
        w = self.new_world(full_backup_depth=depth, retention_time=kept)
        w.cloud.add_project("q")
        volume_id = w.protect()
        for day in days:
            self.live_through(w, volume_id, day)
            self.check_chain(w, volume_id, depth)
            # Two days, for a wait after failures may take one.
            w.pass_time(2 * DAY)
            w.cloud.finish_all()
            w.work(2)
        self.live_through(w, volume_id, "good")
        self.assertEqual(
            task.State.SUCCEEDED, w.task_of(volume_id).state, str(days)
        )
        for _ in range(3):  # what is unwanted goes in the end
            w.retain()
            w.pass_time(DAY)
            w.work(2)
            w.cloud.finish_all()
            w.work()
        # One that timed out and ended well later may have become the parent
        # of the next: Cinder chooses, and holds it as long as that lives.
        held = {
            w.cloud.parents.get(backup_id) for backup_id in w.cloud.backups
        }
        for row in w.store.backups():
            if row.id not in held:
                self.assertIn(
                    row.state,
                    (model.BackupState.AVAILABLE, model.BackupState.VANISHED),
                )

    def live_through(self, w: world.World, volume_id: str, day: str) -> None:
        """A cycle of one day, with what the day brings."""
        if day == "refused":
            w.cloud.fail(
                "create_backup", errors.InvalidRequestError("no", status=400)
            )
        elif day == "lost":
            w.cloud.fail(
                "create_backup", errors.NoAnswerError("504"), after=True
            )
        elif day == "busy":
            w.cloud.change_volume(volume_id, status="attaching")
        elif day == "moved":
            self.move_to_another_project(w, volume_id)
        w.lead()
        w.retain()
        w.work()
        if day == "error":
            w.cloud.finish_all("error")
        elif day == "vanished":
            for backup in w.made(volume_id)[-1:]:
                w.cloud.vanish(backup.id)
            w.work()
            w.pass_time(ABSENCE)
        elif day == "too long":
            w.pass_time(DAY)
        elif day == "busy":
            w.cloud.change_volume(volume_id, status="in-use")
        w.work(2)
        w.cloud.finish_all()
        w.pass_time(SETTLE)
        w.work(2)
        w.cloud.finish_all()
        w.work()
        w.cloud.heal()

    def move_to_another_project(self, w: world.World, volume_id: str) -> None:
        project_id = w.cloud.volumes[volume_id].project_id
        other = "q" if project_id == "p" else "p"
        w.cloud.change_volume(volume_id, project_id=other)
        for server_id in w.cloud.servers:
            w.cloud.change_server(server_id, project_id=other)

    def check_chain(self, w: world.World, volume_id: str, depth: int) -> None:
        """At most so many incrementals, each on a full of its project."""
        length = None
        project_id = ""
        for row in w.rows(volume_id):
            if not row.completed_at:
                continue
            if row.incremental:
                assert length is not None, "an incremental without a full"
                length += 1
                self.assertLessEqual(length, depth)
                self.assertEqual(project_id, row.project_id)
                self.assertIsNotNone(w.cloud.parents[row.id])
            else:
                length = 0
                project_id = row.project_id
