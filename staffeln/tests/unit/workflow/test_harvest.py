# SPDX-License-Identifier: Apache-2.0
"""What a harvest finds, and what makes it incomplete."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from staffeln import ports
from staffeln.domain import errors, model
from staffeln.tests import base
from staffeln.tests.fakes.fake_cloud import FakeCloud
from staffeln.tests.unit.domain import samples
from staffeln.workflow import harvest

TAG = {"__staffeln_backup": "true"}


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
        return harvest.harvest(self.cloud, samples.rule(), last_count)

    def found(self, inventory: model.Inventory) -> list[str]:
        return sorted(each.volume.id for each in inventory.candidates)

    def assert_incomplete(
        self, inventory: model.Inventory, *words: str
    ) -> None:
        self.assertFalse(inventory.complete)
        for word in words:
            self.assertIn(word, " | ".join(inventory.problems))


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
