# SPDX-License-Identifier: Apache-2.0
"""Retention from the first backup to the last delete, in a small world."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
from typing import Any
from unittest import mock

from staffeln.domain import durations, errors, model, task
from staffeln.tests.unit.workflow.world import (
    ABSENCE,
    BACKOFF,
    DAY,
    HOUR,
    MINUTE,
    POLL,
    SECOND,
    TAG,
    World,
    WorldTest,
)

KEPT = durations.Duration(days=10)
RETENTION_KEY = "__staffeln_retention"


class RetentionCase(WorldTest):
    """Backups are kept for ten days."""

    def new_world(self, **changes: Any) -> World:
        usual: dict[str, Any] = {
            "backup_min_interval": datetime.timedelta(0),
            "full_backup_depth": 4,
            "retention_time": KEPT,
            "keep_last": 0,
        }
        return World(**{**usual, **changes})

    def chain(self, w: World, links: int = 5) -> str:
        """A volume with a chain, a day between its links."""
        volume_id = w.protect()
        for number in range(links):
            if number:
                w.pass_time(DAY)
            w.backup_cycle()
        return volume_id

    def retention_round(self, w: World, rounds: int = 1) -> int:
        """A round of retention, and all that Cinder does for it."""
        planned = w.retain()
        for _ in range(rounds):
            w.work()
            w.cloud.finish_all()
        w.work()
        return planned


class ExpiryTest(RetentionCase):
    def test_a_chain_goes_newest_first_each_after_what_depends_on_it(
        self,
    ) -> None:
        w = self.new_world()
        volume_id = self.chain(w)
        made = [each.id for each in w.made(volume_id)]
        w.pass_time(11 * DAY)
        self.assertEqual(5, w.retain())
        asked = []
        for _ in range(5):
            w.work()
            (busy,) = [
                each.id
                for each in w.made(volume_id)
                if each.status == "deleting"
            ]
            asked.append(busy)
            w.cloud.finish_all()
        w.work()
        self.assertEqual(list(reversed(made)), asked)
        self.assertEqual([], w.rows(volume_id))
        self.assertEqual(5, w.cloud.count("delete_backup"))

    def test_nothing_goes_before_its_time(self) -> None:
        w = self.new_world()
        volume_id = self.chain(w, 2)
        w.pass_time(9 * DAY)
        self.assertEqual(0, self.retention_round(w))
        self.assertEqual(2, len(w.made(volume_id)))

    def test_a_parent_waits_for_the_last_that_depends_on_it(self) -> None:
        w = self.new_world()
        volume_id = self.chain(w, 2)
        w.pass_time(9 * DAY + HOUR)
        self.assertEqual(0, self.retention_round(w))
        self.assertEqual(2, len(w.made(volume_id)))

    def test_the_newest_stay_while_the_volume_is_selected(self) -> None:
        w = self.new_world(keep_last=1, full_backup_depth=0)
        volume_id = self.chain(w, 3)
        w.pass_time(30 * DAY)
        self.retention_round(w, 2)
        self.assertEqual(1, len(w.made(volume_id)))
        for server in list(w.cloud.servers.values()):
            w.cloud.change_server(server.id, metadata={})
        w.lead()
        self.retention_round(w, 2)
        self.assertEqual([], w.made(volume_id))

    def test_the_newest_stay_where_cinder_does_not_show_the_volume(
        self,
    ) -> None:
        w = self.new_world(keep_last=1, full_backup_depth=0)
        shown = [w.protect() for _ in range(25)]
        volume_id = self.chain(w, 2)
        w.work(20)
        w.cloud.finish_all()
        w.work(3)
        w.cloud.hidden.add(volume_id)
        w.pass_time(30 * DAY)
        self.retention_round(w, 50)
        self.assertEqual(1, len(w.made(volume_id)))
        self.assertEqual(1, len(w.made(shown[0])))

    def test_a_second_round_plans_nothing_twice(self) -> None:
        w = self.new_world()
        self.chain(w)
        w.pass_time(30 * DAY)
        self.assertEqual([5, 0], [w.retain(), w.retain()])

    def test_a_chain_that_goes_is_not_built_on(self) -> None:
        w = self.new_world()
        volume_id = self.chain(w, 2)
        w.pass_time(30 * DAY)
        w.retain()
        w.lead()
        self.assertIs(task.Mode.FULL, w.task_of(volume_id).mode)
        self.assertIn("is to be deleted", w.task_of(volume_id).reason)

    def test_an_incremental_under_way_holds_what_it_may_build_on(
        self,
    ) -> None:
        w = self.new_world()
        volume_id = self.chain(w, 2)
        w.pass_time(30 * DAY)
        w.lead()
        self.assertEqual(0, self.retention_round(w))
        self.assertEqual(3, len(w.made(volume_id)))

    def test_without_anything_due_nothing_is_asked_of_the_cloud(
        self,
    ) -> None:
        w = self.new_world()
        self.chain(w, 1)
        w.retain()
        before = len(w.cloud.calls)
        w.retain()
        self.assertEqual(before, len(w.cloud.calls))


class ServerTest(RetentionCase):
    def setUp(self) -> None:
        super().setUp()
        self.w = self.new_world(full_backup_depth=0)
        self.volume_id = self.chain(self.w, 1)
        self.w.retain()
        (self.server,) = self.w.cloud.servers.values()

    def say(self, text: str | None) -> None:
        """Its server says so from now on."""
        value = {} if text is None else {RETENTION_KEY: text}
        self.w.cloud.change_server(self.server.id, metadata={**TAG, **value})

    @property
    def left(self) -> int:
        return len(self.w.made(self.volume_id))

    def test_a_longer_value_holds_at_once(self) -> None:
        self.w.pass_time(11 * DAY)
        self.say("1mon")
        self.assertEqual(0, self.retention_round(self.w))
        self.w.pass_time(21 * DAY)
        self.assertEqual(1, self.retention_round(self.w))
        self.assertEqual(0, self.left)

    def test_a_longer_value_saves_what_is_planned_already(self) -> None:
        self.w.pass_time(11 * DAY)
        self.assertEqual(1, self.w.retain())
        self.say("1mon")
        self.w.retain()
        self.w.work(3)
        self.assertEqual(1, self.left)
        self.assertIs(task.State.CANCELLED, self.w.deletes()[0].state)

    def test_a_longer_value_saves_what_is_claimed_already(self) -> None:
        self.w.pass_time(11 * DAY)
        self.w.retain()
        row = self.w.rows(self.volume_id)[0]
        (claimed,) = self.w.store.claim(
            "c1", task.Kind.DELETE, 1, self.w.clock()
        )
        self.say("1mon")
        self.w.retain()
        self.w.processes["c1"].worker._remover.start(claimed)
        self.assertEqual(1, self.left)
        self.assertEqual(row.id, self.w.rows(self.volume_id)[0].id)

    def test_a_shorter_value_holds_after_the_grace(self) -> None:
        self.say("1s")
        self.w.lead()
        self.w.retain()
        self.assertIn("Retention became shorter", self.log.output)
        self.w.pass_time(7 * DAY - HOUR)
        self.assertEqual(0, self.retention_round(self.w))
        self.w.pass_time(2 * HOUR)
        self.retention_round(self.w)
        self.assertEqual(0, self.left)

    def test_a_server_that_is_gone_speaks_on(self) -> None:
        self.say("1mon")
        self.w.lead()
        self.w.retain()
        del self.w.cloud.servers[self.server.id]
        self.w.cloud.change_volume(self.volume_id, server_ids=())
        self.w.pass_time(20 * DAY)
        self.assertEqual(0, self.retention_round(self.w))
        self.w.pass_time(12 * DAY)
        self.w.lead()
        self.retention_round(self.w)
        self.assertFalse(
            [
                each
                for each in self.w.made(self.volume_id)
                if self.w.clock() - each.created_at > 31 * DAY
            ]
        )

    def test_a_value_that_is_none_is_told(self) -> None:
        self.say("for ever")
        self.w.pass_time(11 * DAY)
        self.w.retain()
        self.assertIn("'for ever'", self.log.output)


class NothingTest(RetentionCase):
    """A round that could delete too much does nothing at all."""

    def setUp(self) -> None:
        super().setUp()
        self.w = self.new_world(full_backup_depth=0)
        self.volume_id = self.chain(self.w, 2)
        self.w.pass_time(30 * DAY)

    def nothing_happens(self) -> None:
        with contextlib.suppress(errors.StaffelnError):
            self.w.retain()
        self.w.work(2)
        self.assertEqual(0, self.w.cloud.count("delete_backup"))
        self.assertEqual(
            {model.BackupState.AVAILABLE},
            {row.state for row in self.w.store.backups()},
        )

    def all_goes_well(self) -> None:
        self.assertEqual(2, self.retention_round(self.w))
        self.assertEqual([], self.w.made(self.volume_id))

    def test_while_servers_cannot_be_listed(self) -> None:
        self.w.cloud.fail("server_pages", errors.NoAnswerError("away"))
        self.nothing_happens()
        self.all_goes_well()

    def test_while_nova_shows_no_servers(self) -> None:
        self.w.cloud.hidden.update(self.w.cloud.servers)
        self.nothing_happens()
        self.w.cloud.hidden.clear()
        self.all_goes_well()

    def test_while_a_server_cannot_be_read(self) -> None:
        (server,) = self.w.cloud.servers
        self.w.cloud.change_server(server, readable=False, status="UNKNOWN")
        self.nothing_happens()

    def test_without_administrator_rights(self) -> None:
        self.w.cloud.administrator = False
        self.nothing_happens()

    def test_in_another_cloud(self) -> None:
        self.w.cloud.cloud_identity = model.CloudIdentity(
            auth_url="http://keystone.example",
            region="RegionTwo",
            block_storage_url="http://cinder.example/v3",
            user_id="service-user",
        )
        self.nothing_happens()

    def test_while_clocks_are_apart(self) -> None:
        self.w.cloud.clock_error = datetime.timedelta(days=-365)
        self.nothing_happens()
        self.assertIn("Retention does nothing: the clock of", self.log.output)
        self.w.cloud.clock_error = datetime.timedelta(0)
        self.all_goes_well()

    def test_of_a_project_that_is_disabled(self) -> None:
        self.w.cloud.change_project("p", enabled=False)
        self.nothing_happens()
        self.w.cloud.change_project("p", enabled=True)
        self.all_goes_well()

    def test_while_projects_cannot_be_read(self) -> None:
        self.w.cloud.fail("projects", errors.NoAnswerError("away"), times=9)
        self.nothing_happens()
        self.w.cloud.heal()
        self.all_goes_well()

    def test_a_soft_deleted_server_does_not_stop_the_others(self) -> None:
        volume_id = self.w.cloud.add_volume("p")
        server_id = self.w.cloud.add_server(
            "p", volume_ids=[volume_id], status="SOFT_DELETED", metadata=TAG
        )
        self.w.cloud.hidden.add(server_id)
        self.all_goes_well()

    def test_a_stale_attachment_does_not_stop_the_others(self) -> None:
        self.w.cloud.add_volume("p", server_ids=["long-gone"])
        self.all_goes_well()
        self.w.lead()
        self.assertIn("the attachment in Cinder is stale", self.log.output)

    def test_unwanted_backups_stay_while_clocks_are_apart(self) -> None:
        row = self.w.rows(self.volume_id)[0]
        self.w.cloud.clock_error = datetime.timedelta(days=365)
        self.w.store.keep_backup(row)
        self.nothing_happens()


class HarvestTest(RetentionCase):
    """What a cycle has just read is not read once more."""

    def setUp(self) -> None:
        super().setUp()
        self.w = self.old_world()

    def old_world(self, **changes: Any) -> World:
        """With one backup, which has expired."""
        w = self.new_world(full_backup_depth=0, **changes)
        self.chain(w, 1)
        w.retain()
        w.pass_time(11 * DAY)
        w.store.pause(task.Kind.BACKUP, "")
        return w

    def lists(self) -> int:
        return self.w.cloud.count("server_pages")

    def test_a_cycle_of_just_now_will_do(self) -> None:
        self.w.lead()
        before = self.lists()
        self.w.pass_time(MINUTE - SECOND)
        self.assertEqual(1, self.w.retain())
        self.assertEqual(before, self.lists())

    def test_an_older_one_will_not(self) -> None:
        self.w.lead()
        before = self.lists()
        self.w.pass_time(MINUTE + SECOND)
        self.assertEqual(1, self.w.retain())
        self.assertEqual(before + 1, self.lists())

    def test_an_incomplete_one_will_not(self) -> None:
        server_id = self.w.cloud.add_server("p", readable=False)
        self.w.lead()
        self.w.cloud.change_server(server_id, readable=True)
        before = self.lists()
        self.assertEqual(1, self.w.retain())
        self.assertEqual(before + 1, self.lists())

    def test_what_makes_it_incomplete_is_told_and_nothing_else(self) -> None:
        for number in range(30):
            self.w.cloud.add_volume("p", server_ids=[f"gone-{number}"])
        server_id = self.w.cloud.add_server("p", readable=False)
        self.w.retain()
        (line,) = [
            each
            for each in self.log.output.splitlines()
            if "nothing expires, for the harvest is incomplete: " in each
        ]
        self.assertIn(server_id, line)
        self.assertNotIn("stale", line)

    def test_one_that_read_some_volumes_alone_will_not(self) -> None:
        self.w = self.old_world(page_size=1)
        for _ in range(9):
            self.w.cloud.add_volume("p")
        self.w.lead()
        before = self.lists()
        self.assertEqual(1, self.w.retain())
        self.assertLess(before, self.lists())


class BreakerTest(RetentionCase):
    def setUp(self) -> None:
        super().setUp()
        self.w = self.new_world(full_backup_depth=0, small_round=4)
        self.volumes = [self.w.protect() for _ in range(6)]
        self.w.backup_cycle()
        self.w.work(6)
        self.w.cloud.finish_all()
        self.w.work(2)

    def test_too_large_a_round_waits_for_a_yes(self) -> None:
        self.w.pass_time(11 * DAY)
        self.assertEqual(0, self.retention_round(self.w))
        self.assertIn("staffeln retention confirm", self.log.output)
        breaker = self.w.store.breaker()
        assert breaker
        self.assertEqual((6, 6), (breaker.would, breaker.total))
        self.w.store.confirm_breaker()
        self.assertEqual(6, self.retention_round(self.w))
        self.assertIsNone(self.w.store.breaker())

    def harvests(self, rounds: int = 1) -> int:
        """How often some rounds list servers."""
        before = self.w.cloud.count("server_pages")
        for _ in range(rounds):
            self.assertEqual(0, self.w.retain())
        return self.w.cloud.count("server_pages") - before

    def test_no_more_go_than_were_counted(self) -> None:
        self.w.pass_time(11 * DAY)
        with mock.patch.object(self.w.store, "count_expired", return_value=0):
            self.assertEqual(0, self.w.retain())
        self.assertIn("more backups expire than the 0", self.log.output)
        self.assertEqual([], self.w.deletes())

    def test_while_it_waits_nothing_is_counted_again(self) -> None:
        self.w.pass_time(11 * DAY)
        self.assertEqual(1, self.harvests())
        tripped = self.w.store.breaker()
        self.w.pass_time(HOUR)
        self.assertEqual(0, self.harvests(3))
        self.assertEqual(tripped, self.w.store.breaker())
        self.assertEqual(4, self.log.output.count("Retention does nothing"))

    def test_while_it_waits_it_is_counted_once_a_day(self) -> None:
        self.w.pass_time(11 * DAY)
        self.w.retain()
        self.w.pass_time(DAY - MINUTE)
        self.assertEqual(0, self.harvests())
        self.w.pass_time(MINUTE)
        self.assertEqual(1, self.harvests(2))

    def test_what_has_expired_meanwhile_is_counted(self) -> None:
        (row,) = self.w.rows(self.volumes[0])
        self.w.store._backups[row.id] = dataclasses.replace(
            row, created_at=row.created_at + DAY, expires_at=None
        )
        self.w.pass_time(10 * DAY + HOUR)
        self.w.retain()
        for hours, would, harvests in ((22, 5, 0), (2, 6, 1), (1, 6, 0)):
            self.w.pass_time(hours * HOUR)
            self.assertEqual(harvests, self.harvests())
            breaker = self.w.store.breaker()
            assert breaker
            self.assertEqual(would, breaker.would)

    def test_a_longer_value_is_heard_of_while_it_waits(self) -> None:
        self.w.pass_time(11 * DAY)
        self.w.retain()
        for server in list(self.w.cloud.servers.values()):
            self.w.cloud.change_server(
                server.id, metadata={**TAG, RETENTION_KEY: "1y"}
            )
        self.w.pass_time(HOUR)
        self.w.store.pause(task.Kind.BACKUP, "")
        self.w.lead()
        self.assertEqual(0, self.w.retain())
        self.assertIsNone(self.w.store.breaker())

    def test_a_yes_is_not_for_ever(self) -> None:
        self.w.pass_time(11 * DAY)
        self.w.retain()
        self.w.store.confirm_breaker()
        self.w.pass_time(DAY + MINUTE)
        self.assertEqual(0, self.w.retain())

    def test_what_is_small_enough_needs_none(self) -> None:
        for volume_id in self.volumes[:3]:
            server = next(
                each
                for each in self.w.cloud.servers.values()
                if volume_id in each.volume_ids
            )
            self.w.cloud.change_server(
                server.id, metadata={**TAG, RETENTION_KEY: "1y"}
            )
        self.w.pass_time(11 * DAY)
        self.assertEqual(3, self.w.retain())


class RefusalTest(RetentionCase):
    def test_a_users_own_incremental_holds_its_ancestors_alone(self) -> None:
        w = self.new_world()
        held, other = w.protect(), w.protect()
        w.backup_cycle()
        own = w.cloud.add_backup("p", held, incremental=True)
        w.pass_time(30 * DAY)
        self.retention_round(w, 2)
        self.assertEqual([], w.made(other))
        self.assertEqual(2, len(w.made(held)))
        (waiting,) = w.store.tasks(
            kind=task.Kind.DELETE, states=[task.State.PLANNED]
        )
        self.assertIn(f"held by backup {own}", waiting.reason)
        self.assertIs(model.BackupState.AVAILABLE, w.rows(held)[0].state)
        w.retain()
        self.assertIn(f"held by backup {own}", self.log.output)
        w.cloud.vanish(own)
        w.pass_time(BACKOFF)
        self.retention_round(w)
        self.assertEqual([], w.made(held))

    def test_a_refused_delete_is_tried_with_growing_intervals(self) -> None:
        w = self.new_world()
        held = w.protect()
        w.backup_cycle()
        w.cloud.add_backup("p", held, incremental=True)
        w.pass_time(30 * DAY)
        w.retain()
        w.work()
        tries = []
        for _ in range(3):
            work = w.deletes()[0]
            assert work.not_before
            tries.append(work.not_before - w.clock())
            w.pass_time(work.not_before - w.clock())
            w.work()
        self.assertTrue(tries[0] < tries[1] < tries[2], tries)

    def test_a_delete_that_failed_leaves_what_is_of_no_use(self) -> None:
        w = self.new_world()
        volume_id = w.protect()
        w.backup_cycle()
        w.pass_time(30 * DAY)
        w.retain()
        w.work()
        w.cloud.finish_all("error_deleting")
        w.work()
        self.assertIs(model.BackupState.UNWANTED, w.rows(volume_id)[0].state)
        self.assertIn("error_deleting", w.deletes()[0].reason)

    def test_one_that_never_ends_leaves_its_seat_to_others(self) -> None:
        w = self.new_world(max_running_deletes=1)
        w.protect(), w.protect()
        w.backup_cycle()
        w.pass_time(30 * DAY)
        w.retain()
        w.work()
        w.pass_time(DAY + POLL)
        w.work(2)
        states = [work.reason for work in w.deletes()]
        self.assertTrue(any("still deleting" in each for each in states))
        self.assertEqual(2, w.cloud.count("delete_backup"))

    def test_what_somebody_deleted_by_hand_vanishes(self) -> None:
        w = self.new_world()
        volume_id = w.protect()
        w.backup_cycle()
        w.cloud.vanish(w.made(volume_id)[0].id)
        w.pass_time(30 * DAY)
        w.retain()
        w.work()
        self.assertIs(model.BackupState.AVAILABLE, w.rows(volume_id)[0].state)
        w.pass_time(ABSENCE)
        w.work(2)
        self.assertIs(model.BackupState.VANISHED, w.rows(volume_id)[0].state)
        w.pass_time(31 * DAY)
        w.processes["c1"].scheduler.reconcile()
        self.assertEqual([], w.rows(volume_id))

    def test_while_no_backup_service_is_up_nothing_is_believed(self) -> None:
        w = self.new_world()
        volume_id = w.protect()
        w.backup_cycle()
        w.pass_time(30 * DAY)
        w.retain()
        w.cloud.services = []
        w.work(3)
        self.assertEqual(0, w.cloud.count("delete_backup"))
        self.assertEqual(1, len(w.rows(volume_id)))

    def test_a_conductor_that_stood_still_deletes_nothing_late(self) -> None:
        """It was taken for dead, and the backup is wanted again."""
        w = self.new_world()
        volume_id = w.protect()
        w.backup_cycle()
        w.pass_time(30 * DAY)
        w.retain()
        get_backup = w.store.get_backup

        def stand_still(backup_id: str) -> model.Backup | None:
            row = get_backup(backup_id)
            w.pass_time(2 * MINUTE)
            return row

        w.store.get_backup = stand_still  # type: ignore[method-assign]
        w.work()
        self.assertEqual("available", w.made(volume_id)[0].status)
        self.assertIn("too late", w.deletes()[0].reason)

    def test_a_delete_whose_caller_died_is_followed(self) -> None:
        w = self.new_world()
        volume_id = w.protect()
        w.backup_cycle()
        w.pass_time(30 * DAY)
        w.retain()
        w.cloud.fail(
            "delete_backup", errors.NoAnswerError("reset"), after=True
        )
        w.work()
        w.pass_time(BACKOFF)
        w.work()
        w.cloud.finish_all()
        w.work()
        self.assertEqual([], w.rows(volume_id))


class LimitTest(RetentionCase):
    def test_no_more_deletes_run_at_once_than_are_allowed(self) -> None:
        w = self.new_world(max_running_deletes=2, full_backup_depth=0)
        for _ in range(5):
            w.protect()
        w.backup_cycle()
        w.work(6)
        w.cloud.finish_all()
        w.work(2)
        w.pass_time(30 * DAY)
        w.retain()
        for _ in range(6):
            w.work()
            busy = [
                each
                for each in w.cloud.backups.values()
                if each.status == "deleting"
            ]
            self.assertLessEqual(len(busy), 2)
            w.cloud.finish_all()
        w.work()
        self.assertEqual({}, w.cloud.backups)


class AdoptedTest(RetentionCase):
    """Rows of an earlier release, whose server was never read."""

    def adopted(self, w: World, server_id: str) -> str:
        volume_id = w.cloud.add_volume("p")
        backup_id = w.cloud.add_backup("p", volume_id)
        w.store.keep_backup(
            model.Backup(
                id=backup_id,
                project_id="p",
                volume_id=volume_id,
                server_id=server_id,
                state=model.BackupState.AVAILABLE,
                incremental=None,
                created_at=w.clock(),
                completed_at=w.clock(),
                retention_known=False,
            )
        )
        return backup_id

    def test_it_does_not_expire_before_its_server_was_read(self) -> None:
        w = self.new_world()
        server_id = w.cloud.add_server("p", metadata={RETENTION_KEY: "1y"})
        w.cloud.hidden.add(server_id)
        w.cloud.change_server(server_id, readable=False, status="UNKNOWN")
        backup_id = self.adopted(w, server_id)
        w.pass_time(30 * DAY)
        self.retention_round(w)
        self.assertIn(backup_id, w.cloud.backups)
        w.cloud.hidden.clear()
        w.cloud.change_server(server_id, readable=True, status="ACTIVE")
        self.retention_round(w)
        row = w.store.get_backup(backup_id)
        assert row
        self.assertEqual("1y", row.kept_for)

    def test_it_expires_when_its_server_is_proved_gone(self) -> None:
        w = self.new_world()
        backup_id = self.adopted(w, "long-gone")
        w.pass_time(9 * DAY)
        self.retention_round(w)
        self.assertEqual(0, w.cloud.count("server"))
        w.pass_time(2 * DAY)
        self.retention_round(w)
        self.assertEqual(1, w.cloud.count("server"))
        self.assertNotIn(backup_id, w.cloud.backups)
