# SPDX-License-Identifier: Apache-2.0
"""What cycles find unprotected or dropped, and what reports are told."""

from __future__ import annotations

import dataclasses
import datetime
from unittest import mock

from staffeln import ports
from staffeln.domain import errors, model, report, task
from staffeln.tests.fakes.fake_cloud import START
from staffeln.tests.unit.workflow import world
from staffeln.tests.unit.workflow.world import DAY, HOUR, SECOND
from staffeln.workflow import dropping, protecting

Topic = report.Topic


class ProtectingTestCase(world.WorldTest):
    def setUp(self) -> None:
        super().setUp()
        self.world = self.new_world(backup_min_interval=DAY, backup_workers=50)
        self.cycles: list[model.Cycle] = []
        self.watch()

    def watch(self) -> None:
        """Keep what the scheduler tells of its cycles."""
        observer = mock.Mock()
        observer.cycle_ended.side_effect = self.cycles.append
        self.world.processes["c1"].scheduler._observer = observer

    @property
    def concerns(self) -> protecting.Concerns:
        scheduler = self.world.processes["c1"].scheduler
        return scheduler._protecting.concerns()

    def topics(self, project_id: str = "p") -> list[Topic]:
        return [each.topic for each in self.concerns.of(project_id)]

    def untag(self, volume_id: str) -> str:
        """Its server carries the key no more; returns the server's id."""
        server_id = self.server_of(volume_id)
        self.world.cloud.change_server(server_id, metadata={})
        return server_id

    def server_of(self, volume_id: str) -> str:
        return next(
            each.id
            for each in self.world.cloud.servers.values()
            if volume_id in each.volume_ids
        )

    def complete_cycle(self) -> None:
        """The second harvest believes what alarmed in the first."""
        self.world.lead()
        self.world.lead()
        self.assertTrue(self.cycles[-1].complete)


class CycleTest(ProtectingTestCase):
    def test_its_figures(self) -> None:
        self.world.protect()
        postponed = self.world.protect(status="attaching")
        self.world.protect(status="error")
        self.world.backup_cycle()
        (first,) = self.cycles
        self.assertEqual(
            (3, 1, 1, 1, 1),
            (
                first.selected,
                first.planned,
                first.postponed,
                first.failed_at_once,
                first.never_protected,
            ),
        )
        self.assertEqual((True, 1), (first.complete, first.term))
        self.assertIsNone(first.oldest_protection_at)
        self.world.pass_time(HOUR)
        self.world.lead()
        self.assertEqual(1, self.cycles[-1].never_protected)
        self.world.pass_time(DAY)
        self.world.lead()
        second = self.cycles[-1]
        self.assertEqual(2, second.never_protected)
        self.assertEqual(
            {postponed},
            {
                each.volume_id
                for each in self.concerns.of("p")
                if "postponed" in each.why
            },
        )
        self.assertEqual((second.oldest_protection_at,), second.protected_at)

    def test_they_are_kept(self) -> None:
        self.world.protect()
        self.world.lead()
        fresh = self.world.store.freshness()
        self.assertEqual(self.cycles[-1].ended_at, fresh.cycle_at)
        self.assertEqual(1, fresh.selected)

    def test_a_stale_volume(self) -> None:
        volume_id = self.world.protect()
        self.world.backup_cycle()
        self.world.pass_time(3 * DAY + HOUR)
        self.world.cloud.change_volume(volume_id, status="attaching")
        self.world.lead()
        self.assertEqual(1, self.cycles[-1].stale)
        self.assertEqual([Topic.STALE], self.topics())
        self.assertIn("1 not protected for more than 3d", self.log.output)
        self.assertIn("oldest last backup", self.log.output)


class DroppedTest(ProtectingTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.volume_id = self.world.protect()
        self.world.backup_cycle()

    @property
    def record(self) -> model.VolumeRecord:
        record = self.world.store.volume_record(self.volume_id)
        assert record is not None
        return record

    def test_a_server_without_the_key(self) -> None:
        server_id = self.untag(self.volume_id)
        self.complete_cycle()
        self.assertEqual(1, self.cycles[-1].dropped)
        (notice,) = self.concerns.of("p")
        self.assertEqual(Topic.DROPPED, notice.topic)
        self.assertEqual(
            f"server {server_id} does not carry __staffeln_backup=true any "
            "more",
            notice.why,
        )
        self.assertEqual(self.record.dropped_since, notice.since)
        self.assertIn("has backups and is selected no longer", self.log.output)

    def test_it_is_told_once_and_keeps_its_time_and_reason(self) -> None:
        self.untag(self.volume_id)
        self.complete_cycle()
        before = self.record
        self.world.pass_time(DAY)
        del self.world.cloud.servers[self.server_of(self.volume_id)]
        self.complete_cycle()
        self.assertEqual(before, self.record)
        self.assertEqual(1, self.log.output.count("is selected no longer"))
        self.assertEqual(1, self.cycles[-1].dropped)

    def test_selected_again(self) -> None:
        server_id = self.untag(self.volume_id)
        self.complete_cycle()
        self.world.cloud.change_server(server_id, metadata=world.TAG)
        self.world.pass_time(2 * DAY)
        self.world.cloud.change_volume(self.volume_id, status="attaching")
        self.complete_cycle()
        self.assertEqual(0, self.cycles[-1].dropped)
        self.assertEqual(
            (None, ""), (self.record.dropped_since, self.record.dropped_why)
        )
        self.assertIsNotNone(self.record.postponed_since)
        self.assertEqual([], self.topics())

    def test_an_incomplete_harvest_drops_nothing(self) -> None:
        self.untag(self.volume_id)
        self.world.lead()
        self.assertFalse(self.cycles[-1].complete)
        self.assertEqual(0, self.cycles[-1].dropped)
        self.assertEqual([], self.topics())
        self.assertIn("incomplete", " ".join(self.concerns.hands))

    def test_what_was_dropped_is_known_to_an_incomplete_harvest(self) -> None:
        self.untag(self.volume_id)
        self.complete_cycle()
        self.world.cloud.fail("server_pages", errors.NoAnswerError("down"))
        self.world.lead()
        self.assertEqual(
            (False, 1), (self.cycles[-1].complete, self.cycles[-1].dropped)
        )
        self.assertEqual([Topic.DROPPED], self.topics())
        # The next scheduler has it from the database.
        self.world.processes["c1"].scheduler.take_office()
        self.world.cloud.fail("server_pages", errors.NoAnswerError("down"))
        self.world.lead()
        self.assertEqual(1, self.cycles[-1].dropped)

    def test_its_own_metadata(self) -> None:
        self.world.cloud.change_volume(
            self.volume_id, metadata={"__staffeln_backup": "false"}
        )
        self.complete_cycle()
        (notice,) = self.concerns.of("p")
        self.assertEqual(
            "its own metadata says __staffeln_backup=false", notice.why
        )

    def test_all_gone(self) -> None:
        del self.world.cloud.servers[self.server_of(self.volume_id)]
        del self.world.cloud.volumes[self.volume_id]
        self.world.cloud.change_project("p", enabled=False)
        self.complete_cycle()
        (notice,) = self.concerns.of("p")
        self.assertEqual(
            f"{dropping.VOLUME_GONE}; its project is disabled", notice.why
        )

    def test_a_cloud_that_does_not_answer_is_asked_once(self) -> None:
        others = [self.world.protect() for _ in range(5)]
        self.world.backup_cycle()
        for each in (self.volume_id, *others):
            self.untag(each)
        self.world.lead()
        with mock.patch.object(
            self.world.cloud, "volume", side_effect=errors.NoAnswerError("x")
        ) as asked:
            self.world.lead()
        self.assertEqual(1, asked.call_count)
        self.assertEqual([Topic.DROPPED] * 6, self.topics())

    def test_many_are_noted_page_by_page(self) -> None:
        volumes = [self.world.protect() for _ in range(30)]
        self.world.backup_cycle()
        for each in volumes:
            self.untag(each)
        self.world.lead()
        with mock.patch.object(dropping, "PAGE", 7):
            self.world.lead()
        self.assertEqual(30, self.cycles[-1].dropped)
        self.assertEqual(30, len(self.topics()))
        self.assertEqual(
            dropping.MOST_TOLD, self.log.output.count("is selected no longer:")
        )
        self.assertIn("10 more volumes with backups", self.log.output)

    def test_a_server_that_can_still_be_restored(self) -> None:
        other = self.world.protect()
        server_id = self.server_of(self.volume_id)
        self.world.cloud.hidden.add(server_id)
        self.world.cloud.change_server(server_id, status="SOFT_DELETED")
        self.complete_cycle()
        self.assertEqual(
            (1, 1), (self.cycles[-1].selected, self.cycles[-1].dropped)
        )
        (notice,) = [
            each
            for each in self.concerns.of("p")
            if each.topic is Topic.DROPPED
        ]
        self.assertEqual(
            f"server {server_id} was deleted; until it is reclaimed it may "
            "come back",
            notice.why,
        )
        self.assertNotEqual(other, notice.volume_id)

    def test_a_volume_that_a_list_left_out_is_not_dropped(self) -> None:
        for _ in range(25):
            self.world.protect()
        self.world.lead()
        self.world.cloud.hidden.add(self.volume_id)
        self.complete_cycle()
        self.assertEqual(25, self.cycles[-1].selected)
        self.assertEqual(0, self.cycles[-1].dropped)

    def test_without_backups_nothing_is_said(self) -> None:
        (row,) = self.world.rows(self.volume_id)
        self.world.store.note_broken([row], START)
        self.untag(self.volume_id)
        self.complete_cycle()
        self.assertEqual(0, self.cycles[-1].dropped)
        self.assertEqual([Topic.BROKEN], self.topics())


class ConcernsTest(ProtectingTestCase):
    def test_before_any_cycle(self) -> None:
        found = self.concerns
        self.assertIsNone(found.cycle)
        self.assertEqual(((), ()), (found.of("p"), found.hands))
        self.assertIsNone(found.forecast("p", None))

    def test_a_forecast(self) -> None:
        self.world.protect(size=7)
        self.world.protect(size=5)
        self.world.lead()
        full = report.Quotas(
            backups=report.Quota(limit=1, in_use=0, reserved=0),
            gigabytes=report.Quota(limit=-1, in_use=0, reserved=0),
        )
        found = self.concerns.forecast("p", full)
        assert found is not None
        self.assertEqual(
            (2, 12, False), (found.backups, found.gigabytes, found.fits)
        )
        self.assertIsNone(self.concerns.forecast("other", full))

    def test_what_needs_hands(self) -> None:
        self.world.protect()
        self.world.store.pause(task.Kind.BACKUP, "")
        self.world.store.pause(task.Kind.DELETE, "p")
        self.world.store.pause(task.Kind.DELETE, "q")
        self.world.cloud.services = []
        self.world.lead()
        hands = "\n".join(self.concerns.for_operators)
        for words in (
            "backups of all are paused since",
            "deletes of project p are paused since",
            "no cinder-backup service is up",
        ):
            self.assertIn(words, hands)
        self.assertEqual(2, len(self.concerns.remarks("p")))
        self.assertEqual(1, len(self.concerns.remarks("r")))

    def test_what_is_broken_held_and_announced(self) -> None:
        volumes = [self.world.protect() for _ in range(3)]
        self.world.backup_cycle()
        rows = [self.world.rows(each)[0] for each in volumes]
        self.world.store.note_broken(rows[:1], START)
        work = self.held(rows[1])
        self.shorten(rows[2])
        found = {each.topic: each for each in self.concerns.of("p")}
        self.assertEqual(
            {Topic.BROKEN, Topic.HELD, Topic.SHORTENED}, found.keys()
        )
        self.assertEqual(volumes[0], found[Topic.BROKEN].volume_id)
        self.assertEqual(
            f"backup {rows[1].id}: {work.reason}", found[Topic.HELD].why
        )
        self.assertEqual(volumes[2], found[Topic.SHORTENED].volume_id)
        self.assertEqual(
            (
                "backups to be deleted, and not gone: 1",
                "backups broken in Cinder: 1",
            ),
            self.concerns.hands,
        )
        self.assertEqual(3, self.concerns.topics.total())

    def held(self, row: model.Backup) -> task.Task:
        """A delete that was refused once."""
        work = task.Task(
            id="delete",
            kind=task.Kind.DELETE,
            state=task.State.PLANNED,
            project_id="p",
            volume_id=row.volume_id,
            backup_id=row.id,
            attempt=1,
            reason="held by backup x",
            created_at=START,
            updated_at=START,
        )
        self.write(tasks=[work])
        return work

    def shorten(self, row: model.Backup) -> None:
        """Its retention became shorter a moment ago."""
        self.write(
            governed=[
                dataclasses.replace(
                    row,
                    kept_for="1d",
                    grace="604800s",
                    expires_at=self.world.clock.time + 7 * DAY,
                )
            ]
        )

    def write(self, **rows: object) -> None:
        self.world.store.write_plan(1, ports.PlanRecord(**rows), "c1")  # type: ignore[arg-type]


class SinceTest(ProtectingTestCase):
    def test_time_is_the_cycles(self) -> None:
        self.world.pass_time(5 * SECOND)
        self.world.lead()
        expected = START + datetime.timedelta(seconds=5)
        self.assertEqual(expected, self.cycles[-1].ended_at)
