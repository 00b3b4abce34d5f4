# SPDX-License-Identifier: Apache-2.0
"""Whole cycles: lead, work, and what becomes of volumes over days."""

from __future__ import annotations

import datetime

from staffeln.domain import errors, model, task
from staffeln.tests.fakes.memory_store import MemoryStore
from staffeln.tests.unit.workflow import world
from staffeln.tests.unit.workflow.world import DAY, HOUR, MINUTE
from staffeln.workflow import binding, cycle

State = task.State


class ChainTest(world.WorldTest):
    def test_a_full_then_incrementals_then_a_full(self) -> None:
        for depth, pattern in ((0, "FFFF"), (1, "FIFI"), (2, "FIIFIIF")):
            w = self.new_world(full_backup_depth=depth)
            volume_id = w.protect()
            for _ in pattern:
                self.assertEqual(1, w.backup_cycle())
                self.assertEqual(State.SUCCEEDED, w.task_of(volume_id).state)
                w.pass_time(DAY)
            shown = "".join(
                "I" if each.incremental else "F" for each in w.made(volume_id)
            )
            self.assertEqual(pattern, shown)
            self.assertEqual(
                [each.incremental for each in w.made(volume_id)],
                [row.incremental for row in w.rows(volume_id)],
            )

    def test_the_story_of_a_good_backup(self) -> None:
        w = self.new_world()
        volume_id = w.protect(name="data", size=3)
        w.backup_cycle()
        work = w.task_of(volume_id)
        self.assertEqual(
            ["planned", "claimed", "starting", "running", "succeeded"],
            w.story(work),
        )
        self.assertEqual(1, work.attempt)
        self.assertFalse(work.unsettled)
        (row,) = w.rows(volume_id)
        self.assertEqual(model.BackupState.AVAILABLE, row.state)
        self.assertEqual(work.backup_id, row.id)
        self.assertEqual(3, row.size)
        self.assertIsNotNone(row.completed_at)
        self.assertIn("available after 10 s", work.reason)

    def test_what_cinder_shows_is_recorded(self) -> None:
        w = self.new_world()
        volume_id = w.protect()
        w.lead()
        w.work()
        (made,) = w.made(volume_id)
        earlier = w.clock() - HOUR
        w.cloud.change_backup(
            made.id, incremental=True, created_at=earlier, size=7
        )
        w.cloud.finish(made.id)
        w.work()
        (row,) = w.rows(volume_id)
        self.assertEqual(
            (True, earlier, 7), (row.incremental, row.created_at, row.size)
        )
        self.assertEqual(task.Mode.INCREMENTAL, w.task_of(volume_id).mode)

    def test_not_due_before_the_interval(self) -> None:
        w = self.new_world()
        w.protect()
        w.backup_cycle()
        self.assertEqual(0, w.lead())
        w.pass_time(DAY - MINUTE)
        self.assertEqual(0, w.lead())
        w.pass_time(MINUTE)
        self.assertEqual(1, w.lead())

    def test_a_live_task_is_never_planned_again(self) -> None:
        w = self.new_world(backup_min_interval=datetime.timedelta())
        w.protect()
        self.assertEqual(1, w.lead())
        self.assertEqual(0, w.lead())
        w.work()
        self.assertEqual(0, w.lead())

    def test_force_only_for_volumes_in_use(self) -> None:
        w = self.new_world()
        used = w.protect()
        free = w.protect(status="available")
        w.backup_cycle()
        requests = {
            request.volume_id: request
            for call in w.cloud.calls
            if call.name == "create_backup"
            for request in call.args
            if isinstance(request, model.BackupRequest)
        }
        self.assertTrue(requests[used].force)
        self.assertFalse(requests[free].force)

    def test_one_call_for_each_backup(self) -> None:
        w = self.new_world(page_size=2)
        for _ in range(5):
            w.protect()
        w.backup_cycle()
        w.work(3)
        self.assertEqual(5, w.cloud.count("create_backup"))
        self.assertEqual(1, w.cloud.count("token"))

    def test_another_project_breaks_the_chain(self) -> None:
        w = self.new_world()
        volume_id = w.protect()
        w.backup_cycle()
        w.cloud.add_project("q")
        w.cloud.change_volume(volume_id, project_id="q")
        for server_id in w.cloud.servers:
            w.cloud.change_server(server_id, project_id="q")
        w.pass_time(DAY)
        w.backup_cycle()
        work = w.task_of(volume_id)
        self.assertEqual(("q", task.Mode.FULL), (work.project_id, work.mode))
        self.assertEqual(State.SUCCEEDED, work.state)


class PlanningTest(world.WorldTest):
    def test_an_odd_status_fails_at_once_and_once(self) -> None:
        w = self.new_world()
        volume_id = w.protect(status="error")
        self.assertEqual(0, w.lead())
        work = w.task_of(volume_id)
        self.assertEqual(State.FAILED, work.state)
        self.assertEqual(f"volume {volume_id} is in error status", work.reason)
        w.pass_time(DAY)
        w.lead()
        self.assertEqual(1, len(w.store.tasks()))

    def test_a_passing_status_is_postponed_and_remembered(self) -> None:
        w = self.new_world()
        volume_id = w.protect(status="attaching")
        first = w.clock()
        self.assertEqual(0, w.lead())
        w.pass_time(HOUR)
        self.assertEqual(0, w.lead())
        self.assertEqual([], w.store.tasks())
        record = w.store.volume_record(volume_id)
        assert record is not None
        self.assertEqual(first, record.postponed_since)
        w.cloud.change_volume(volume_id, status="in-use")
        w.backup_cycle()
        record = w.store.volume_record(volume_id)
        assert record is not None
        self.assertIsNone(record.postponed_since)

    def test_no_backup_service_is_one_alarm(self) -> None:
        w = self.new_world()
        w.protect()
        w.protect()
        w.cloud.services = [
            model.BackupService(host="b", enabled=True, up=False),
            model.BackupService(host="c", enabled=False, up=True),
        ]
        self.assertEqual(0, w.lead())
        self.assertEqual(1, self.log.output.count("No cinder-backup service"))

    def test_planned_tasks_of_no_candidate_are_cancelled(self) -> None:
        w = self.new_world()
        volume_ids = [w.protect() for _ in range(20)]
        w.lead()
        w.cloud.change_server(next(iter(w.cloud.servers)), metadata={})
        w.lead()
        self.assertEqual(State.CANCELLED, w.task_of(volume_ids[0]).state)
        self.assertEqual(State.PLANNED, w.task_of(volume_ids[1]).state)

    def test_an_incomplete_harvest_cancels_nothing(self) -> None:
        w = self.new_world()
        volume_id = w.protect()
        w.lead()
        w.pass_time(MINUTE * 11)
        w.cloud.hidden |= set(w.cloud.servers)
        w.protect()
        w.lead()
        self.assertEqual(State.PLANNED, w.task_of(volume_id).state)

    def test_a_fall_cancels_nothing_at_first(self) -> None:
        w = self.new_world()
        volume_id = w.protect()
        w.lead()
        for server_id in w.cloud.servers:
            w.cloud.change_server(server_id, metadata={})
        w.lead()
        self.assertEqual(State.PLANNED, w.task_of(volume_id).state)
        self.assertIn("INCOMPLETE", self.log.output)
        w.lead()
        self.assertEqual(State.CANCELLED, w.task_of(volume_id).state)

    def test_retention_values_are_refreshed(self) -> None:
        w = self.new_world()
        volume_id = w.protect()
        w.backup_cycle()
        (server_id,) = w.cloud.servers
        w.cloud.change_server(
            server_id, metadata={**world.TAG, "__staffeln_retention": "1y"}
        )
        w.lead()
        w.retain()
        (row,) = w.rows(volume_id)
        self.assertEqual("1y", row.retention)

    def test_longest_unprotected_first(self) -> None:
        w = self.new_world(backup_workers=1)
        first, second = w.protect(), w.protect()
        w.lead()
        w.work(3)
        w.cloud.finish(w.made(second)[0].id)
        w.work()
        w.pass_time(MINUTE)
        w.cloud.finish(w.made(first)[0].id)
        w.work()
        self.assertLess(
            w.made(first)[0].created_at, w.made(second)[0].created_at
        )
        w.pass_time(DAY)
        w.lead()
        w.work()
        self.assertEqual(2, len(w.made(first)))
        self.assertEqual(1, len(w.made(second)))


class OfficeTest(world.WorldTest):
    def test_a_process_that_is_to_end_leaves_its_cycle(self) -> None:
        w = self.new_world()
        w.protect()
        scheduler = cycle.Scheduler(
            w.store,
            w.cloud,
            w.settings,
            "c1",
            held=lambda: True,
            host_time=w.clock,
            stopping=lambda: True,
        )
        scheduler.take_office()
        self.assertRaises(errors.StoppedError, scheduler.lead)
        self.assertEqual([], w.store.tasks())
        self.assertEqual(0, w.cloud.count("volume_pages"))

    def test_an_overtaken_scheduler_writes_nothing(self) -> None:
        w = self.new_world(conductors=2)
        w.protect()
        w.processes["c2"].scheduler.take_office()
        self.assertRaises(errors.OvertakenError, w.lead, "c1")
        self.assertEqual([], w.store.tasks())
        self.assertEqual(1, w.lead("c2"))

    def test_retention_without_anything_to_do(self) -> None:
        self.assertEqual(0, self.new_world().retain())


class Unbindable(MemoryStore):
    """A database whose deployment stays as it is."""

    def bind_cloud(self, identity: model.CloudIdentity) -> None:
        """Nothing comes of it."""


class BindingTest(world.WorldTest):
    def test_the_first_start_binds(self) -> None:
        w = self.new_world()
        self.assertEqual(w.cloud.cloud_identity, w.store.deployment().identity)
        self.assertIn("is now bound to cloud", self.log.output)

    def test_a_user_without_rights_is_not_bound(self) -> None:
        w = self.new_world(conductors=0)
        w.cloud.fail(
            "backup_services", errors.NotAdministratorError("no rights")
        )
        self.assertRaises(
            errors.NotAdministratorError, binding.prove, w.cloud, w.store
        )
        self.assertIsNone(w.store.deployment().identity)

    def test_another_cloud_stops_everything(self) -> None:
        w = self.new_world()
        w.protect()
        w.cloud.cloud_identity = model.CloudIdentity(
            auth_url="http://keystone.example",
            region="RegionTwo",
            block_storage_url="http://cinder.example/v3",
            user_id="service-user",
        )
        error = self.assertRaises(errors.WrongCloudError, w.lead)
        self.assertIn("region is 'RegionTwo', not 'RegionOne'", str(error))
        self.assertEqual([], w.store.tasks())
        self.assertRaises(errors.WrongCloudError, w.start_conductor, "another")

    def test_who_only_looks_does_not_bind(self) -> None:
        w = self.new_world(conductors=0)
        binding.prove(w.cloud, w.store, bind=False)
        self.assertIsNone(w.store.deployment().identity)

    def test_a_database_that_cannot_be_bound(self) -> None:
        w = self.new_world(conductors=0)
        store = Unbindable(clock=w.clock)
        error = self.assertRaises(
            errors.WrongCloudError, binding.prove, w.cloud, store
        )
        self.assertIn("could not be bound", str(error))

    def test_who_is_no_administrator_stops_everything(self) -> None:
        w = self.new_world()
        w.protect()
        w.cloud.administrator = False
        self.assertRaises(errors.NotAdministratorError, w.lead)
        self.assertEqual([], w.store.tasks())

    def test_lost_administrator_rights_prove_no_absence(self) -> None:
        w = self.new_world()
        volume_id = w.protect()
        w.lead()
        w.work()
        w.cloud.administrator = False
        w.pass_time(HOUR)
        self.assertRaises(errors.NotAdministratorError, w.work)
        self.assertEqual(State.RUNNING, w.task_of(volume_id).state)
        w.cloud.administrator = True
        w.cloud.finish_all()
        w.work()
        self.assertEqual(State.SUCCEEDED, w.task_of(volume_id).state)

    def test_a_list_of_deletes_that_fails_stops_no_backup(self) -> None:
        w = self.new_world()
        failing = w.protect()
        good = w.protect()
        w.lead()
        w.work()
        w.cloud.finish(w.made(failing)[0].id, "error")
        w.work()
        w.retain()
        w.work()
        w.cloud.finish(w.made(good)[0].id)
        w.cloud.fail("backup_services", errors.NoAnswerError("timeout"))
        self.assertRaises(errors.NoAnswerError, w.work)
        self.assertEqual(State.SUCCEEDED, w.task_of(good).state)


class HandBackTest(world.WorldTest):
    def test_claimed_tasks_are_given_back(self) -> None:
        w = self.new_world(conductors=2)
        volume_id = w.protect()
        w.lead()
        (claimed,) = w.store.claim("c1", task.Kind.BACKUP, 9, w.clock())
        self.assertEqual(State.CLAIMED, claimed.state)
        self.assertEqual(1, w.processes["c1"].worker.hand_back())
        self.assertEqual(State.PLANNED, w.task_of(volume_id).state)
        w.kill("c1")
        w.work()
        self.assertEqual("c2", w.task_of(volume_id).claimed_by)
        self.assertEqual(1, w.cloud.count("create_backup"))

    def test_started_tasks_stay_for_the_others_to_find(self) -> None:
        w = self.new_world(conductors=2)
        volume_id = w.protect()
        w.lead()
        w.processes["c1"].work()
        self.assertEqual(0, w.processes["c1"].worker.hand_back())
        w.store.unregister_conductor("c1")
        w.kill("c1")
        w.work()
        self.assertEqual("c2", w.task_of(volume_id).claimed_by)
        w.cloud.finish_all()
        w.work()
        self.assertEqual(State.SUCCEEDED, w.task_of(volume_id).state)
