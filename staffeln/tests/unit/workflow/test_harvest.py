# SPDX-License-Identifier: Apache-2.0
"""What a harvest finds, and what makes it incomplete."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

from staffeln import ports
from staffeln.domain import errors, model
from staffeln.tests import base
from staffeln.tests.fakes.fake_cloud import FakeCloud
from staffeln.tests.unit.domain import samples
from staffeln.workflow import harvest

TAG = {"__staffeln_backup": "true"}
AN_HOUR = datetime.timedelta(hours=1)


class HarvestTest(base.TestCase):
    page_size = 2

    def setUp(self) -> None:
        super().setUp()
        self.cloud: FakeCloud = FakeCloud(page_size=self.page_size)
        self.project = self.cloud.add_project()

    def add_tagged(self, count: int = 1, volumes: int = 1) -> list[str]:
        """Tagged servers with volumes; returns the ids of the volumes."""
        made = []
        for _ in range(count):
            ids = [self.cloud.add_volume(self.project) for _ in range(volumes)]
            self.cloud.add_server(self.project, metadata=TAG, volume_ids=ids)
            made += ids
        return made

    def harvest(self, last_count: int | None = None) -> model.Inventory:
        return harvest.harvest(
            self.cloud,
            samples.rule(),
            last_count,
            now=self.cloud.now() + AN_HOUR,
        )

    def found(self, inventory: model.Inventory) -> list[str]:
        return sorted(each.volume.id for each in inventory.candidates)

    def assert_incomplete(
        self, inventory: model.Inventory, *words: str
    ) -> None:
        self.assertFalse(inventory.complete)
        for word in words:
            self.assertIn(word, " | ".join(inventory.problems))


class StoppedTest(HarvestTest):
    def test_a_call_that_a_stop_ends_is_no_incomplete_list(self) -> None:
        self.add_tagged(3)
        for name in ("server_pages", "volume_pages"):
            self.cloud.fail(name, errors.StoppedError("the process ends"))
            self.assertRaises(errors.StoppedError, self.harvest)


class CompleteTest(HarvestTest):
    def test_an_empty_cloud(self) -> None:
        inventory = self.harvest()
        self.assertTrue(inventory.complete)
        self.assertEqual((), inventory.candidates)
        self.assertEqual(0, self.cloud.count("volume_pages"))

    def test_tagged_servers_only(self) -> None:
        wanted = self.add_tagged(3, volumes=2)
        other = self.cloud.add_volume(self.project)
        self.cloud.add_server(self.project, volume_ids=[other])
        inventory = self.harvest()
        self.assertTrue(inventory.complete)
        self.assertEqual((), inventory.problems)
        self.assertEqual(sorted(wanted), self.found(inventory))
        self.assertEqual(4, inventory.servers_seen)
        self.assertEqual(3, inventory.servers_selected)
        self.assertEqual(7, inventory.volumes_seen)

    def test_a_slim_inventory_knows_the_ids_of_its_candidates(self) -> None:
        self.add_tagged(2)
        whole = self.harvest()
        kept = whole.slim()
        self.assertEqual((), kept.candidates)
        self.assertEqual(
            sorted(each.volume.id for each in whole.candidates),
            sorted(kept.still_selected),
        )
        self.assertEqual(whole.servers, kept.servers)

    def test_pages_are_as_few_as_promised(self) -> None:
        self.add_tagged(5, volumes=2)
        self.harvest()
        self.assertLessEqual(self.cloud.count("server_pages"), 3)
        self.assertEqual(5, self.cloud.count("volume_pages"))
        self.assertEqual(0, self.cloud.count("volume"))

    def test_opted_out_volumes_are_counted(self) -> None:
        one, two = self.add_tagged(1, volumes=2)
        self.cloud.change_volume(one, metadata={"__staffeln_backup": "false"})
        inventory = self.harvest()
        self.assertEqual([two], self.found(inventory))
        self.assertEqual(1, inventory.opted_out)
        self.assertTrue(inventory.complete)

    def test_strange_values_are_named_in_one_line(self) -> None:
        ids = [
            self.cloud.add_server(
                self.project, metadata={"__staffeln_backup": "yes"}
            )
            for _ in range(7)
        ]
        inventory = self.harvest()
        self.assertTrue(inventory.complete)
        lines = [
            line for line in self.log.output.splitlines() if ids[0] in line
        ]
        self.assertEqual(1, len(lines))
        self.assertIn("7 server(s)", lines[0])
        self.assertIn("'yes'", lines[0])
        self.assertIn("and 2 more", lines[0])

    def test_few_strange_values_are_all_named(self) -> None:
        self.cloud.add_server(self.project, metadata={"__staffeln_backup": ""})
        self.harvest()
        self.assertIn("1 server(s)", self.log.output)
        self.assertNotIn("more", self.log.output)


class NoCountCloud(FakeCloud):
    """Its lists do not tell how long they are."""

    def volume_pages(self) -> Iterator[ports.Page[model.Volume]]:
        """The same pages."""
        for page in super().volume_pages():
            yield dataclasses.replace(page, total=None)


class NoCountTest(HarvestTest):
    def test_all_pages_are_read_where_no_count_is_told(self) -> None:
        self.cloud = NoCountCloud(page_size=2)
        self.project = self.cloud.add_project()
        wanted = self.add_tagged(1)
        for _ in range(6):
            self.cloud.add_volume(self.project)
        inventory = self.harvest()
        self.assertEqual(wanted, self.found(inventory))
        self.assertEqual(0, self.cloud.count("volume"))


class SinglesTest(HarvestTest):
    """Where few volumes are left, they are read one by one."""

    def setUp(self) -> None:
        super().setUp()
        self.wanted = self.add_tagged(1)
        for _ in range(6):  # newer ones, which come first
            self.cloud.add_volume(self.project)

    def test_one_call_each(self) -> None:
        inventory = self.harvest()
        self.assertEqual(self.wanted, self.found(inventory))
        self.assertTrue(inventory.complete)
        self.assertEqual(1, self.cloud.count("volume_pages"))
        self.assertEqual(1, self.cloud.count("volume"))

    def test_a_vanished_volume_is_a_problem_of_its_own(self) -> None:
        self.cloud.delete_volume(self.wanted[0])
        inventory = self.harvest()
        self.assertEqual([], self.found(inventory))
        self.assertIn(self.wanted[0], inventory.problems[0])
        self.assertIn("unknown to Cinder", inventory.problems[0])
        self.assertTrue(inventory.complete)

    def test_a_volume_that_cannot_be_read(self) -> None:
        self.cloud.fail("volume", errors.NoAnswerError("timeout"))
        inventory = self.harvest()
        self.assert_incomplete(inventory, self.wanted[0], "timeout")

    def test_one_that_fails_does_not_end_the_rest(self) -> None:
        two = self.add_tagged(1)[0]
        for _ in range(6):
            self.cloud.add_volume(self.project)
        self.cloud.fail(
            "volume",
            errors.NoAnswerError("timeout"),
            when=lambda volume_id: volume_id == self.wanted[0],
        )
        inventory = self.harvest()
        self.assertEqual([two], self.found(inventory))
        self.assertFalse(inventory.complete)


class IncompleteTest(HarvestTest):
    def test_the_list_of_servers_ends_early(self) -> None:
        wanted = self.add_tagged(4)
        self.cloud.fail(
            "server_pages",
            errors.NoAnswerError("gateway timeout"),
            when=lambda: self.cloud.count("server_pages") == 2,
        )
        inventory = self.harvest()
        self.assert_incomplete(inventory, "gateway timeout")
        self.assertFalse(inventory.lists_complete)
        self.assertEqual(sorted(wanted[:2]), self.found(inventory))

    def test_the_list_of_volumes_ends_early(self) -> None:
        self.add_tagged(4)
        self.cloud.fail(
            "volume_pages",
            errors.NoAnswerError("gateway timeout"),
            when=lambda: self.cloud.count("volume_pages") == 2,
        )
        inventory = self.harvest()
        self.assert_incomplete(inventory, "gateway timeout")
        self.assertEqual(2, len(inventory.candidates))
        self.assertNotIn("unknown to Cinder", str(inventory.problems))

    def test_an_unreadable_server(self) -> None:
        wanted = self.add_tagged(1)
        down = self.cloud.add_server(
            self.project, status="UNKNOWN", readable=False
        )
        inventory = self.harvest()
        self.assert_incomplete(inventory, down, "UNKNOWN")
        self.assertEqual(wanted, self.found(inventory))

    def test_a_malformed_server(self) -> None:
        wanted = self.add_tagged(2)
        bad = self.cloud.add_server(self.project, metadata=TAG)
        self.cloud.malformed.add(bad)
        inventory = self.harvest()
        self.assert_incomplete(inventory, bad)
        self.assertEqual(sorted(wanted), self.found(inventory))

    def test_a_malformed_volume(self) -> None:
        wanted = self.add_tagged(3)
        self.cloud.malformed.add(wanted[1])
        inventory = self.harvest()
        self.assert_incomplete(inventory, wanted[1])
        self.assertEqual(sorted([wanted[0], wanted[2]]), self.found(inventory))

    def test_a_vanished_volume_among_pages(self) -> None:
        wanted = self.add_tagged(3, volumes=2)
        self.cloud.hidden.add(wanted[0])
        inventory = self.harvest()
        self.assertEqual(sorted(wanted[1:]), self.found(inventory))
        self.assertIn(wanted[0], str(inventory.problems))

    def test_an_attachment_to_a_server_that_is_not_listed(self) -> None:
        """Nova leaves out the servers of a cell that is down, with 200."""
        wanted = self.add_tagged(4)
        hidden = next(iter(self.cloud.servers))
        self.cloud.hidden.add(hidden)
        inventory = self.harvest()
        self.assert_incomplete(inventory, hidden, wanted[0])
        self.assertEqual(sorted(wanted[1:]), self.found(inventory))


class FallTest(HarvestTest):
    page_size = 1000

    def test_a_fall_of_more_than_5_percent(self) -> None:
        self.add_tagged(1, volumes=18)
        inventory = self.harvest(last_count=19)
        self.assert_incomplete(inventory, "fell from 19 to 18")
        self.assertTrue(inventory.lists_complete)

    def test_a_fall_to_nothing(self) -> None:
        self.assertFalse(self.harvest(last_count=1).complete)

    def test_no_alarm(self) -> None:
        self.add_tagged(1, volumes=19)
        for last_count in (None, 0, 1, 19, 20):
            self.assertTrue(self.harvest(last_count).complete, last_count)

    def test_5_percent_exactly_is_no_alarm(self) -> None:
        for last_count in range(20, 20_000, 20):
            least = last_count // 20 * 19
            self.assertFalse(harvest._fell(least, last_count), last_count)
            self.assertTrue(harvest._fell(least - 1, last_count), last_count)

    def test_a_cell_that_is_down_is_seen_however_little_is_left(self) -> None:
        """Also when nothing is selected any more, and in the cycle after."""
        self.add_tagged(3)
        self.cloud.hidden.update(self.cloud.servers)
        for _ in range(2):
            inventory = self.harvest(last_count=3)
            self.assertFalse(inventory.complete)
            # The count of before stays: the next harvest alarms as well.
            self.assertFalse(inventory.lists_complete)
            self.assertIn("which Nova's list does not show", str(inventory))

    def test_an_empty_list_of_volumes_is_never_believed(self) -> None:
        self.add_tagged(3)
        self.cloud.hidden.update(self.cloud.volumes)
        for _ in range(2):
            inventory = self.harvest(last_count=3)
            self.assertFalse(inventory.complete)
            self.assertFalse(inventory.lists_complete)


class BootingCloud(FakeCloud):
    """Something is booted once the servers are listed."""

    def __init__(self, boot: Callable[[], str]) -> None:
        super().__init__()
        self.boot = boot
        self.booted = ""

    def volume_pages(self) -> Iterator[ports.Page[model.Volume]]:
        """The list of servers is read by now."""
        self.booted = self.boot()
        return super().volume_pages()


class UnlistedTest(HarvestTest):
    """Servers that attachments name and Nova's list does not show."""

    page_size = 1000

    def setUp(self) -> None:
        super().setUp()
        self.known_gone: set[str] = set()

    def harvest(self, last_count: int | None = None) -> model.Inventory:
        return harvest.harvest(
            self.cloud,
            samples.rule(),
            last_count,
            now=self.cloud.now(),
            known_gone=self.known_gone,
            thorough=True,
        )

    def attach(self, count: int, prefix: str = "gone") -> None:
        """Volumes with attachments to servers that are no more."""
        for number in range(count):
            self.cloud.add_volume(
                self.project, server_ids=[f"{prefix}-{number:03}"]
            )

    def booting(self, **server: Any) -> BootingCloud:
        """A cloud where a server appears while volumes are listed."""

        def boot() -> str:
            volume_id = self.cloud.add_volume(self.project)
            return self.cloud.add_server(
                self.project, volume_ids=[volume_id], **server
            )

        cloud = BootingCloud(boot)

        def listed() -> Iterator[ports.Page[model.Server]]:
            yield ports.Page(items=())

        cloud.server_pages = listed  # type: ignore[method-assign]
        self.cloud = cloud
        return cloud

    def test_a_server_that_is_booted_meanwhile(self) -> None:
        cloud = self.booting()
        inventory = self.harvest()
        self.assertTrue(inventory.complete, inventory.problems)
        self.assertTrue(inventory.lists_complete)
        self.assertEqual({cloud.booted: None}, dict(inventory.servers))
        self.assertEqual(frozenset(), inventory.still_selected)

    def test_what_it_says_counts_and_its_volumes_are_selected(self) -> None:
        says = {**TAG, "__staffeln_retention": "1y"}
        cloud = self.booting(metadata=says)
        inventory = self.harvest()
        self.assertTrue(inventory.complete, inventory.problems)
        self.assertEqual("1y", inventory.servers[cloud.booted])
        self.assertEqual(frozenset(cloud.volumes), inventory.still_selected)

    def test_it_may_share_a_volume_with_one_that_is_listed(self) -> None:
        volume_id = self.cloud.add_volume(self.project)
        old = self.cloud.add_server(self.project, volume_ids=[volume_id])
        self.cloud.pass_time(AN_HOUR)
        new = self.cloud.add_server(self.project, volume_ids=[volume_id])
        self.cloud.hidden.add(new)
        inventory = self.harvest()
        self.assertTrue(inventory.complete)
        self.assertEqual({old, new}, set(inventory.shared[volume_id]))

    def test_only_what_is_young_and_readable_is_booted_meanwhile(
        self,
    ) -> None:
        now = self.cloud.now()
        minute = datetime.timedelta(minutes=1)
        table: list[tuple[bool, dict[str, Any]]] = [
            (True, {"created_at": now - 10 * minute}),
            (True, {"created_at": now + 30 * minute}),
            (False, {"created_at": now - 10 * minute - minute / 60}),
            (False, {"created_at": None}),
            (False, {"readable": False, "status": "UNKNOWN"}),
            (True, {"created_at": None, "status": "SOFT_DELETED"}),
        ]
        volume_id = self.cloud.add_volume(self.project)
        server_id = self.cloud.add_server(self.project, volume_ids=[volume_id])
        self.cloud.hidden.add(server_id)
        usual = self.cloud.servers[server_id]
        for complete, changes in table:
            with self.subTest(changes=str(changes)):
                self.cloud.servers[server_id] = usual
                self.cloud.change_server(server_id, **changes)
                inventory = self.harvest()
                self.assertIs(complete, inventory.complete)
                self.assertIs(complete, server_id in inventory.servers)

    def test_51_stale_attachments(self) -> None:
        self.attach(51)
        for asked in (51, 51):
            inventory = self.harvest()
            self.assertTrue(inventory.complete, inventory.problems)
            self.assertEqual(asked, self.cloud.count("server"))
        (known,) = inventory.problems
        self.assertIn("gone-000", known)
        self.assertIn("and 46 more", known)

    def test_what_makes_it_incomplete_comes_first_and_is_short(self) -> None:
        self.attach(30)
        self.cloud.fail(
            "server",
            errors.NoAnswerError("away"),
            times=5,
            when=lambda server_id: server_id >= "gone-025",
        )
        inventory = self.harvest()
        self.assertEqual(5, len(inventory.gaps))
        self.assertEqual(30, len(inventory.problems))
        self.assertEqual(inventory.gaps, inventory.problems[:5])
        words = harvest.gaps_in_words(inventory)
        self.assertEqual(3, words.count("away"), words)
        self.assertNotIn("stale", words)
        self.assertTrue(words.endswith("; and 2 more like these"), words)

    def test_very_many_stale_attachments_take_two_rounds(self) -> None:
        most = harvest.MOST_ASKED_FOR
        self.attach(most + 100)
        self.assert_incomplete(self.harvest(), "100 more servers")
        self.assertEqual(most, self.cloud.count("server"))
        for _ in range(2):
            inventory = self.harvest()
            self.assertTrue(inventory.complete, inventory.problems)
            self.assertEqual(most + 100, self.cloud.count("server"))

    def test_where_nobody_remembers_all_are_asked_for_at_once(self) -> None:
        self.attach(300)
        inventory = harvest.harvest(
            self.cloud,
            samples.rule(),
            None,
            now=self.cloud.now(),
            thorough=True,
        )
        self.assertTrue(inventory.complete)
        self.assertEqual(300, len(inventory.problems))

    def test_a_list_that_is_wrong_is_never_believed(self) -> None:
        for _ in range(300):
            volume_id = self.cloud.add_volume(self.project)
            self.cloud.add_server(self.project, volume_ids=[volume_id])
        self.attach(5, "00")
        self.cloud.hidden.update(self.cloud.servers)
        self.cloud.pass_time(AN_HOUR)
        for number in range(1, 6):
            inventory = self.harvest()
            self.assert_incomplete(inventory, "more servers")
            self.assertFalse(inventory.lists_complete)
            # A few are proof enough.
            self.assertLessEqual(self.cloud.count("server"), 25 * number)
        self.assertEqual({f"00-{n:03}" for n in range(5)}, self.known_gone)

    def test_gets_that_fail_end_the_asking_and_prove_nothing(self) -> None:
        self.attach(60)
        self.cloud.fail("server", errors.NoAnswerError("away"), times=20)
        self.assert_incomplete(self.harvest(), "away", "40 more servers")
        self.assertEqual(20, self.cloud.count("server"))
        self.assertEqual(set(), self.known_gone)
        self.assertTrue(self.harvest().complete)

    def test_only_an_administrators_404_is_proof(self) -> None:
        self.attach(1)
        self.cloud.fail("backup_services", errors.NotAdministratorError("no"))
        self.assert_incomplete(self.harvest(), "may be there")
        self.assertEqual(set(), self.known_gone)
        self.assertTrue(self.harvest().complete)
        self.assertEqual({"gone-000"}, self.known_gone)

    def test_who_is_only_shown_lists_sees_no_proof_in_a_404(self) -> None:
        # Nova's rule of the list alone, without context_is_admin.
        self.attach(1)
        for project in ("p1", "p2"):
            self.cloud.add_server(project)
        self.cloud.lists_servers_only = True
        self.assert_incomplete(self.harvest(), "0 of 2 listed", "may be there")
        self.assertEqual(set(), self.known_gone)
        self.cloud.lists_servers_only = False
        self.assertTrue(self.harvest().complete)
        self.assertEqual({"gone-000"}, self.known_gone)

    def test_a_witness_that_is_deleted_meanwhile_is_no_loss(
        self,
    ) -> None:
        self.attach(1)
        ids = [self.cloud.add_server(f"p{number}") for number in range(4)]
        list_volumes = self.cloud.volume_pages

        def pages() -> Iterator[ports.Page[model.Volume]]:
            for server_id in ids[:2]:
                del self.cloud.servers[server_id]
            return list_volumes()

        with mock.patch.object(self.cloud, "volume_pages", pages):
            self.assertTrue(self.harvest().complete)
        self.assertEqual({"gone-000"}, self.known_gone)

    def test_what_no_attachment_names_is_forgotten(self) -> None:
        self.attach(3)
        self.harvest()
        self.assertEqual(3, len(self.known_gone))
        self.cloud.fail("volume_pages", errors.NoAnswerError("away"))
        self.harvest()
        self.assertEqual(3, len(self.known_gone))
        self.cloud.volumes.clear()
        self.harvest()
        self.assertEqual(set(), self.known_gone)
