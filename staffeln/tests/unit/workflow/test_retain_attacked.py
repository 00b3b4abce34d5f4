# SPDX-License-Identifier: Apache-2.0
"""Retention while the world does its worst: nothing is lost by it."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from unittest import mock

from staffeln import ports
from staffeln.domain import durations, errors, model, task
from staffeln.tests.fakes.fake_cloud import START
from staffeln.tests.unit.workflow.test_retain import (
    KEPT,
    RETENTION_KEY,
    RetentionCase,
)
from staffeln.tests.unit.workflow.world import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    TAG,
    World,
    settings,
)
from staffeln.workflow import unlisted

AVAILABLE = model.BackupState.AVAILABLE


def says(w: World, value: str) -> None:
    """Let the one server carry a value of retention."""
    (server,) = w.cloud.servers.values()
    w.cloud.change_server(server.id, metadata={**TAG, RETENTION_KEY: value})


def carry_out(w: World, rounds: int = 4) -> None:
    """Let all that is planned be done by Cinder."""
    for _ in range(rounds):
        w.work()
        w.cloud.finish_all()
    w.work()


def meanwhile(w: World, happens: Callable[[], object]) -> None:
    """While the next harvest reads, after the servers, something happens."""
    real = w.cloud.volume_pages

    def pages() -> Iterator[ports.Page[model.Volume]]:
        w.cloud.volume_pages = real  # type: ignore[method-assign]
        happens()
        return real()

    w.cloud.volume_pages = pages  # type: ignore[method-assign]


class ChainsBesideEachOtherTest(RetentionCase):
    def test_an_old_chain_that_is_held_keeps_no_backup_off(self) -> None:
        """A user's own incremental holds it, for as long as the user likes."""
        w = self.new_world(full_backup_depth=1, keep_last=1)
        volume_id = self.chain(w, 1)
        w.pass_time(HOUR)
        w.cloud.add_backup("p", volume_id, incremental=True)
        for _ in range(2):
            w.pass_time(DAY)
            w.backup_cycle()
        w.pass_time(30 * DAY)
        self.retention_round(w, 4)
        made = 0
        for _ in range(20):
            w.pass_time(DAY)
            made += w.backup_cycle()
            self.retention_round(w, 3)
        self.assertEqual(20, made)
        modes = {row.incremental for row in w.rows(volume_id)}
        self.assertEqual({True, False}, modes)

    def test_while_deletes_are_paused_backups_go_on(self) -> None:
        w = self.new_world(full_backup_depth=2, keep_last=1)
        self.chain(w, 4)
        w.store.pause(task.Kind.DELETE, "")
        w.pass_time(12 * DAY)
        w.retain()
        made = 0
        for _ in range(10):
            w.pass_time(DAY)
            made += w.backup_cycle()
            w.retain()
        self.assertEqual(10, made)

    def test_a_backup_that_waits_holds_its_own_chain_only(self) -> None:
        w = self.new_world(full_backup_depth=1, keep_last=1)
        volume_id = self.chain(w, 3)
        w.retain()
        w.store.pause(task.Kind.BACKUP, "")
        w.pass_time(DAY)
        w.lead()
        self.assertIs(task.Mode.INCREMENTAL, w.task_of(volume_id).mode)
        w.pass_time(30 * DAY)
        self.assertEqual(2, w.retain())
        carry_out(w)
        (left,) = w.rows(volume_id)
        self.assertIs(False, left.incremental)

    def test_what_is_left_out_is_told(self) -> None:
        w = self.new_world(full_backup_depth=4)
        volume_id = self.chain(w, 1)
        w.pass_time(DAY)
        real = w.store.write_plan
        going = planned_delete(w, volume_id)

        def first_the_delete(
            term: int, plan: ports.PlanRecord, conductor_id: str
        ) -> list[task.Task]:
            w.store.write_plan = real  # type: ignore[method-assign]
            real(term, ports.PlanRecord(tasks=[going]), conductor_id)
            return real(term, plan, conductor_id)

        w.store.write_plan = first_the_delete  # type: ignore[method-assign]
        with self.assertLogs("staffeln", "WARNING") as logs:
            self.assertEqual(0, w.lead())
        self.assertIn(f"backup of volume {volume_id}", logs.output[-1])


def planned_delete(w: World, volume_id: str) -> task.Task:
    """Of the newest backup, as retention plans it."""
    row = w.rows(volume_id)[-1]
    return task.Task(
        id="delete",
        kind=task.Kind.DELETE,
        state=task.State.PLANNED,
        project_id=row.project_id,
        volume_id=volume_id,
        backup_id=row.id,
        cause=task.Cause.EXPIRED,
        created_at=w.clock(),
        updated_at=w.clock(),
    )


class KeepingTest(RetentionCase):
    def test_one_that_cinder_did_not_know_is_none_of_the_newest(self) -> None:
        """Else the last one that is there would go, for one that is not."""
        w = self.new_world(full_backup_depth=0, keep_last=1)
        volume_id = self.chain(w, 2)
        w.retain()
        w.store.pause(task.Kind.BACKUP, "")
        older, newer = w.rows(volume_id)
        w.cloud.vanish(newer.id)
        w.pass_time(10 * DAY + HOUR)
        w.processes["c1"].scheduler.reconcile()
        w.lead()
        w.retain()
        carry_out(w)
        self.assertEqual([older.id], [each.id for each in w.made(volume_id)])

    def test_what_is_wanted_again_is_cancelled_in_any_round(self) -> None:
        for how in ("the breaker trips", "the harvest is incomplete"):
            with self.subTest(how):
                self._wanted_again(how)

    def _wanted_again(self, how: str) -> None:
        w = self.new_world(full_backup_depth=0, keep_last=1, small_round=3)
        volumes = [w.protect() for _ in range(8)]
        w.lead()
        carry_out(w)
        w.store.pause(task.Kind.BACKUP, "")
        servers = {
            volume_id: server
            for server in w.cloud.servers.values()
            for volume_id in server.volume_ids
        }

        def tag(volume_id: str, metadata: dict[str, str]) -> None:
            w.cloud.change_server(servers[volume_id].id, metadata=metadata)

        w.store.pause(task.Kind.DELETE, "")
        w.retain()
        tag(volumes[0], {})
        w.lead()
        w.pass_time(11 * DAY)
        self.assertEqual(1, w.retain())
        tag(volumes[0], TAG)
        if how == "the breaker trips":
            for each in volumes[1:7]:
                tag(each, {})
        else:
            w.cloud.change_server(servers[volumes[7]].id, readable=False)
        w.lead()
        self.assertEqual(0, w.retain())
        w.store.resume(task.Kind.DELETE, "")
        carry_out(w)
        self.assertEqual(1, len(w.made(volumes[0])))

    def test_a_delete_whose_answer_was_lost_is_not_cancelled(self) -> None:
        """Cinder carries it out: its row must not stay for ever."""
        for is_carried_out in (False, True):
            with self.subTest(is_carried_out=is_carried_out):
                self._lost_answer(is_carried_out)

    def _lost_answer(self, is_carried_out: bool) -> None:
        w = self.new_world(full_backup_depth=0)
        volume_id = self.chain(w, 1)
        w.retain()
        w.store.pause(task.Kind.BACKUP, "")
        w.pass_time(11 * DAY)
        w.retain()
        w.cloud.fail(
            "delete_backup", errors.NoAnswerError("timeout"), after=True
        )
        w.work()
        if is_carried_out:
            w.cloud.finish_all()
        says(w, "1y")
        w.lead()
        w.retain()
        w.cloud.finish_all()
        w.pass_time(DAY)
        w.work(3)
        w.pass_time(HOUR)
        w.work(3)
        self.assertEqual([], w.made(volume_id))
        states = {row.state for row in w.rows(volume_id)}
        self.assertNotIn(AVAILABLE, states)


class PromiseTest(RetentionCase):
    def test_an_option_that_is_shortened_before_the_first_look(self) -> None:
        w = self.new_world(full_backup_depth=0)
        volume_id = w.protect()
        for _ in range(4):
            w.backup_cycle()
            w.pass_time(HOUR)
        self.assertEqual(
            {f"promised {KEPT}"}, {row.kept_for for row in w.rows(volume_id)}
        )
        w.settings = settings(
            backup_min_interval=0 * DAY,
            full_backup_depth=0,
            keep_last=0,
            retention_time=durations.Duration(seconds=2),
        )
        w.start_conductor("c2").scheduler.take_office()
        w.retain("c2")
        carry_out(w)
        self.assertEqual(4, len(w.made(volume_id)))

    def test_a_new_backup_knows_the_last_readable_value(self) -> None:
        w = self.new_world(full_backup_depth=0)
        volume_id = w.protect()
        says(w, "1y")
        w.backup_cycle()
        says(w, "1 year")
        w.pass_time(DAY)
        w.backup_cycle()
        w.lead()
        w.retain()
        self.assertEqual(
            [("1 year", "1y", "1y")] * 2,
            [
                (row.retention, row.retention_valid, row.kept_for)
                for row in w.rows(volume_id)
            ],
        )


class OlderReadingTest(RetentionCase):
    def test_an_older_harvest_undoes_nothing(self) -> None:
        """A cycle lists for long; retention has read more since."""
        w = self.new_world(full_backup_depth=0, shortening_grace=0 * DAY)
        volume_id = self.chain(w, 1)
        w.retain()
        says(w, "1d")
        scheduler = w.processes["c1"].scheduler

        def retention_reads() -> None:
            says(w, "1y")
            w.pass_time(11 * DAY)
            scheduler.retain()

        meanwhile(w, retention_reads)
        w.lead()
        scheduler.retain()
        self.assertEqual(["1y"], [row.retention for row in w.rows(volume_id)])

    def test_what_an_earlier_term_read_counts_no_more(self) -> None:
        w = self.new_world(full_backup_depth=0, shortening_grace=0 * DAY)
        w.start_conductor("c2")
        volume_id = self.chain(w, 1)
        w.retain()
        says(w, "1d")
        w.lead()
        w.processes["c2"].scheduler.take_office()
        says(w, "1y")
        w.lead("c2")
        w.retain("c2")
        w.processes["c1"].scheduler.take_office()
        w.cloud.fail("server_pages", errors.CloudError("503"), times=99)
        w.retain("c1")
        self.assertEqual(["1y"], [row.retention for row in w.rows(volume_id)])

    def test_a_round_writes_in_its_own_term_only(self) -> None:
        w = self.new_world(full_backup_depth=0)
        w.start_conductor("c2")
        volume_id = self.chain(w, 1)
        w.retain()
        w.pass_time(11 * DAY)

        def office_goes_and_comes_back() -> None:
            w.processes["c2"].scheduler.take_office()
            says(w, "1y")
            w.processes["c2"].scheduler.retain()
            w.processes["c1"].scheduler.take_office()

        meanwhile(w, office_goes_and_comes_back)
        self.assertRaises(errors.OvertakenError, w.retain, "c1")
        self.assertEqual([], w.deletes())
        self.assertEqual(["1y"], [row.retention for row in w.rows(volume_id)])


class ClockTest(RetentionCase):
    def _jump(self, w: World) -> Callable[[datetime.timedelta], None]:
        """What lets the database's clock jump, and no other."""
        ahead = [datetime.timedelta(0)]
        w.store._clock = lambda: w.clock.time + ahead[0]

        def by(how_far: datetime.timedelta) -> None:
            ahead[0] = how_far

        return by

    def test_a_clock_that_jumps_while_a_round_reads(self) -> None:
        w = self.new_world(full_backup_depth=0)
        self.chain(w, 3)
        w.retain()
        w.pass_time(8 * DAY)
        jump = self._jump(w)
        meanwhile(w, lambda: jump(365 * DAY))
        self.assertEqual(0, w.retain())
        jump(0 * DAY)
        self.assertEqual(1, w.retain())

    def test_no_delete_begins_while_clocks_are_apart(self) -> None:
        w = self.new_world(full_backup_depth=0)
        volume_id = self.chain(w, 1)
        w.retain()
        w.pass_time(11 * DAY)
        self.assertEqual(1, w.retain())
        w.cloud.clock_error = 6 * MINUTE
        with self.assertLogs("staffeln", "ERROR") as logs:
            carry_out(w)
        self.assertEqual(1, len(w.made(volume_id)))
        lines = [line for line in logs.output if "No delete begins" in line]
        self.assertEqual(1, len(lines), str(lines))
        w.cloud.clock_error = 0 * DAY
        carry_out(w)
        self.assertEqual([], w.made(volume_id))

    def test_a_clock_ahead_forgets_nothing_that_vanished(self) -> None:
        w = self.new_world(full_backup_depth=0)
        volume_id = self.chain(w, 1)
        w.cloud.vanish(w.made(volume_id)[0].id)
        w.processes["c1"].scheduler.reconcile()
        w.pass_time(HOUR)
        w.retain()
        self.assertEqual(
            [model.BackupState.VANISHED],
            [row.state for row in w.rows(volume_id)],
        )
        self._jump(w)(365 * DAY)
        w.processes["c1"].scheduler.reconcile()
        self.assertEqual(1, len(w.rows(volume_id)))

    def test_a_clock_that_jumps_makes_no_running_backup_vanish(self) -> None:
        w = self.new_world(full_backup_depth=0)
        volume_id = w.protect()
        w.lead()
        w.work()
        (made,) = w.made(volume_id)
        jump = self._jump(w)
        del w.cloud.backups[made.id]
        w.work()
        jump(11 * MINUTE)
        w.work()
        w.cloud.backups[made.id] = made
        jump(0 * DAY)
        w.cloud.finish_all()
        w.work()
        self.assertEqual([AVAILABLE], [row.state for row in w.rows(volume_id)])


class LastLookTest(RetentionCase):
    def test_what_is_wanted_again_while_it_is_asked_for(self) -> None:
        w = self.new_world(full_backup_depth=0)
        volume_id = self.chain(w, 1)
        w.retain()
        w.pass_time(11 * DAY)
        w.retain()
        w.store.pause(task.Kind.BACKUP, "")
        real = w.cloud.delete_backup

        def slow(
            backup_id: str, in_time: Callable[[], bool] = lambda: True
        ) -> None:
            w.cloud.delete_backup = real  # type: ignore[method-assign]
            w.clock.time += 50 * SECOND
            says(w, "1y")
            w.processes["c1"].scheduler.lead()
            w.processes["c1"].scheduler.retain()
            real(backup_id, in_time)

        w.cloud.delete_backup = slow  # type: ignore[method-assign]
        w.processes["c1"].work()
        w.pass_time(DAY)
        carry_out(w)
        self.assertEqual(1, len(w.made(volume_id)))
        self.assertIn("not deleted", w.deletes()[0].reason)

    def test_what_fails_unexpectedly_is_tried_with_pauses(self) -> None:
        w = self.new_world(full_backup_depth=0)
        self.chain(w, 1)
        w.retain()
        w.pass_time(11 * DAY)
        w.retain()
        with mock.patch.object(
            w.cloud, "delete_backup", side_effect=RuntimeError("a bug")
        ) as called:
            w.work(60)
        self.assertLessEqual(called.call_count, 3)


class BreakerTest(RetentionCase):
    def test_a_yes_that_comes_while_a_round_counts_stays(self) -> None:
        w = self.new_world(full_backup_depth=0, small_round=3)
        for _ in range(8):
            w.protect()
        w.lead()
        carry_out(w)
        w.retain()
        w.pass_time(11 * DAY)
        self.assertEqual(0, w.retain())
        real = w.store.count_managed

        def confirm_and_count() -> int:
            w.store.confirm_breaker()
            return real()

        w.pass_time(DAY)
        with mock.patch.object(w.store, "count_managed", confirm_and_count):
            w.retain()
        self.assertEqual(8, w.retain())


class ProofTest(RetentionCase):
    """What only one who may see everything may conclude."""

    def _adopted(self, w: World, number: int, server_id: str) -> str:
        """An old backup of a server that was never read; its volume's id."""
        volume_id = w.cloud.add_volume("p")
        made = w.cloud.add_backup("p", volume_id, created_at=START)
        w.store.keep_backup(
            model.Backup(
                id=made,
                project_id="p",
                volume_id=volume_id,
                server_id=server_id,
                state=AVAILABLE,
                incremental=False,
                created_at=START + number * SECOND,
                completed_at=START,
                retention_known=False,
            )
        )
        return volume_id

    def test_a_404_to_one_who_is_no_administrator_proves_nothing(self) -> None:
        w = self.new_world(full_backup_depth=0)
        volume_id = self.chain(w, 1)
        (row,) = w.rows(volume_id)
        w.store.note_missing(row, w.clock())
        w.pass_time(HOUR)

        def withdraw() -> None:
            w.cloud.administrator = False

        meanwhile(w, withdraw)
        self.assertRaises(errors.NotAdministratorError, w.retain)
        self.assertEqual([AVAILABLE], [row.state for row in w.rows(volume_id)])

    def test_one_that_is_found_again_was_not_missing(self) -> None:
        w = self.new_world(full_backup_depth=0)
        volume_id = self.chain(w, 1)
        (row,) = w.rows(volume_id)
        w.store.note_missing(row, w.clock())
        w.pass_time(HOUR)
        w.retain()
        self.assertEqual(
            [None], [row.missing_since for row in w.rows(volume_id)]
        )

    def test_a_list_that_breaks_off_proves_no_server_gone(self) -> None:
        w = self.new_world()
        volume_id = self._adopted(w, 0, "unlisted")
        w.pass_time(40 * DAY)
        w.cloud.fail("volume_pages", errors.CloudError("503"))
        w.retain()
        self.assertEqual(0, w.cloud.count("server"))
        self.assertEqual([None], [row.expires_at for row in w.rows(volume_id)])
        w.retain()
        self.assertEqual(1, w.cloud.count("server"))
        self.assertEqual(1, len(w.deletes()))

    def test_of_very_many_servers_one_round_asks_for_some(self) -> None:
        w = self.new_world()
        for number in range(7):
            self._adopted(w, number, f"unlisted-{number}")
        w.pass_time(40 * DAY)
        with mock.patch.object(unlisted, "MOST_SERVERS_ASKED", 3):
            planned = [w.retain() for _ in range(4)]
        self.assertEqual([3, 3, 1, 0], planned)

    def test_a_server_that_is_gone_keeps_what_it_said_last(self) -> None:
        w = self.new_world(full_backup_depth=0)
        volume_id = w.protect()
        says(w, "1y")
        w.backup_cycle()
        w.lead()
        w.retain()
        w.cloud.servers.clear()
        w.cloud.delete_volume(volume_id)
        w.lead()
        w.pass_time(60 * DAY)
        w.retain()
        self.assertEqual(
            [("1y", "1y")],
            [(row.retention, row.kept_for) for row in w.rows(volume_id)],
        )

    def test_by_a_harvest_with_gaps_nothing_expires_sooner(self) -> None:
        """What was not read may share the volume, and say otherwise."""
        w = self.new_world(full_backup_depth=0, shortening_grace=0 * DAY)
        volume_id = w.protect()
        says(w, "1y")
        w.backup_cycle()
        w.lead()
        w.retain()
        (before,) = w.rows(volume_id)
        says(w, "1d")
        w.cloud.add_server("p", readable=False)
        w.lead()
        w.retain()
        self.assertEqual([before], w.rows(volume_id))

    def test_one_proved_gone_does_not_unsay_what_others_kept(self) -> None:
        """Of one server a backup that was read, and one that never was."""
        w = self.new_world(full_backup_depth=0)
        volume_id = w.protect()
        says(w, "1y")
        w.backup_cycle()
        w.lead()
        w.retain()
        (server_id,) = w.cloud.servers
        old = self._adopted(w, 0, server_id)
        w.cloud.servers.clear()
        w.cloud.delete_volume(volume_id)
        w.lead()
        w.pass_time(60 * DAY)
        self.assertEqual(1, w.retain())
        self.assertEqual(["1y"], [row.kept_for for row in w.rows(volume_id)])
        self.assertEqual({old}, {work.volume_id for work in w.deletes()})

    def test_a_delete_that_ends_when_it_was_given_up(self) -> None:
        """Cinder had accepted it: then one 404 is proof."""
        w = self.new_world(full_backup_depth=0)
        volume_id = self.chain(w, 1)
        w.retain()
        w.store.pause(task.Kind.BACKUP, "")
        w.pass_time(11 * DAY)
        w.retain()
        w.work()
        w.pass_time(2 * DAY)
        w.work()
        (work,) = w.deletes()
        self.assertIn("still deleting", work.reason)
        w.cloud.finish_all()
        w.pass_time(HOUR)
        w.work()
        self.assertEqual([], w.rows(volume_id))
        self.assertEqual(1, w.cloud.count("delete_backup"))
