# SPDX-License-Identifier: Apache-2.0
"""What retention asks Nova for, one server at a time, and how often."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from unittest import mock

from staffeln import ports
from staffeln.domain import errors, model
from staffeln.tests.fakes.fake_cloud import START
from staffeln.tests.unit.workflow.test_retain import RETENTION_KEY
from staffeln.tests.unit.workflow.world import (
    DAY,
    TAG,
    World,
    WorldTest,
)
from staffeln.workflow import harvest
from staffeln.workflow.outlook import Outlook
from staffeln.workflow.unlisted import MOST_FAILED


def adopt(w: World, server_id: str, rows: int = 1) -> str:
    """Old backups of a server that was never read; their volume's id."""
    volume_id = w.cloud.add_volume("p")
    for _ in range(rows):
        w.store.keep_backup(
            model.Backup(
                id=w.cloud.add_backup("p", volume_id),
                project_id="p",
                volume_id=volume_id,
                server_id=server_id,
                state=model.BackupState.AVAILABLE,
                incremental=False,
                created_at=START,
                completed_at=START,
                retention_known=False,
            )
        )
    return volume_id


class AskingTest(WorldTest):
    """Servers of adopted backups."""

    def setUp(self) -> None:
        super().setUp()
        self.w = self.new_world()
        self.known_gone: set[str] = set()

    def outlook(self, witnesses: Sequence[str] = ()) -> Outlook:
        """After a harvest that has read everything."""
        return Outlook(
            self.w.store,
            self.w.cloud,
            self.w.settings,
            model.Inventory(
                candidates=(),
                complete=True,
                witnesses={f"of {each}": each for each in witnesses},
            ),
            START + 400 * DAY,
            self.known_gone,
        )

    def lines(self, words: str) -> int:
        return sum(words in each for each in self.log.output.splitlines())

    def test_one_that_cannot_be_read_is_asked_for_once(self) -> None:
        for number in range(3):
            adopt(self.w, f"s{number}", rows=30)
        self.w.cloud.fail("server", errors.NoAnswerError("away"), times=999)
        self.outlook().ask_for_servers()
        self.assertEqual(3, self.w.cloud.count("server"))
        self.assertEqual(3, self.lines("not read: away"))
        self.outlook().ask_for_servers()
        self.assertEqual(6, self.w.cloud.count("server"))

    def test_one_that_is_unreadable_is_asked_for_once(self) -> None:
        server_id = self.w.cloud.add_server("p", readable=False)
        adopt(self.w, server_id, rows=30)
        outlook = self.outlook()
        outlook.ask_for_servers()
        self.assertEqual(1, self.w.cloud.count("server"))
        self.assertEqual([], list(outlook.unsettled()))

    def test_many_that_fail_end_the_asking_with_one_line(self) -> None:
        for number in range(60):
            adopt(self.w, f"s{number:02}", rows=2)
        self.w.cloud.fail("server", errors.NoAnswerError("away"), times=999)
        outlook = self.outlook()
        outlook.ask_for_servers()
        self.assertEqual(MOST_FAILED, self.w.cloud.count("server"))
        self.assertEqual(MOST_FAILED, self.lines("not read: away"))
        self.assertEqual(1, self.lines("asks for no more"))
        self.assertEqual([], list(outlook.unsettled()))

    def test_what_is_proved_gone_is_not_asked_for_again(self) -> None:
        adopt(self.w, "gone")
        for _ in range(2):
            outlook = self.outlook()
            outlook.ask_for_servers()
            ((row,),) = outlook.unsettled()
            self.assertIsNotNone(row.expires_at)
        self.assertEqual(1, self.w.cloud.count("server"))
        self.assertEqual({"gone"}, self.known_gone)

    def test_only_an_administrators_404_is_proof(self) -> None:
        adopt(self.w, "there")
        self.w.cloud.fail(
            "backup_services", errors.NotAdministratorError("no")
        )
        outlook = self.outlook()
        outlook.ask_for_servers()
        self.assertEqual([], list(outlook.unsettled()))
        self.assertEqual(set(), self.known_gone)

    def test_who_is_only_shown_lists_sees_no_proof_in_a_404(self) -> None:
        adopt(self.w, "there")
        self.w.cloud.lists_servers_only = True
        outlook = self.outlook(
            [self.w.cloud.add_server(project) for project in ("p1", "p2")]
        )
        outlook.ask_for_servers()
        self.assertEqual([], list(outlook.unsettled()))
        self.assertEqual(set(), self.known_gone)
        self.assertEqual(1, self.lines("0 of 2 listed servers"))


class BusyCloudTest(WorldTest):
    """What always happens somewhere does not keep retention from running."""

    def setUp(self) -> None:
        super().setUp()
        self.w = self.new_world(full_backup_depth=0, keep_last=0)
        self.volume_id = self.w.protect()
        self.w.backup_cycle()
        self.w.retain()
        self.w.pass_time(400 * DAY)

    def boot(self, volume_id: str, **metadata: str) -> None:
        """A server of the volume appears while volumes are listed."""
        list_volumes = self.w.cloud.volume_pages

        def pages() -> Iterator[ports.Page[model.Volume]]:
            self.w.cloud.add_server(
                "p", volume_ids=[volume_id], metadata=metadata
            )
            return list_volumes()

        self.w.cloud.volume_pages = pages  # type: ignore[method-assign]

    def test_a_server_is_booted_meanwhile(self) -> None:
        self.boot(self.w.cloud.add_volume("p"))
        self.assertEqual(1, self.w.retain())

    def test_one_that_wants_more_is_booted_of_the_same_volume(self) -> None:
        self.boot(self.volume_id, **TAG, **{RETENTION_KEY: "3y"})
        self.assertEqual(0, self.w.retain())
        (row,) = self.w.rows(self.volume_id)
        self.assertEqual("3y", row.kept_for)

    def test_one_that_wants_less_is_booted_of_the_same_volume(self) -> None:
        self.boot(self.volume_id, **TAG, **{RETENTION_KEY: "1d"})
        self.assertEqual(1, self.w.retain())

    def asked_for_stale(self) -> int:
        return sum(
            call.name == "server" and str(call.args[0]).startswith("gone-")
            for call in self.w.cloud.calls
        )

    def test_stale_attachments_are_worked_off_round_by_round(self) -> None:
        for number in range(450):
            self.w.cloud.add_volume("p", server_ids=[f"gone-{number}"])
        with mock.patch.object(harvest, "MOST_ASKED_FOR", 200):
            planned = [self.w.retain() for _ in range(3)]
        self.assertEqual([0, 0, 1], planned)
        self.assertEqual(450, self.asked_for_stale())

    def test_cycles_and_rounds_remember_together(self) -> None:
        for number in range(300):
            self.w.cloud.add_volume("p", server_ids=[f"gone-{number}"])
        with mock.patch.object(harvest, "MOST_ASKED_FOR", 200):
            self.w.retain()
            self.w.lead()
        self.assertEqual(300, self.asked_for_stale())
