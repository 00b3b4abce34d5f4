# SPDX-License-Identifier: Apache-2.0
"""What a line of the log is about."""

from __future__ import annotations

import threading

from staffeln.ports import occasion
from staffeln.tests import base
from staffeln.tests.unit.domain import samples


class OccasionTest(base.TestCase):
    def test_it_ends_with_the_block_also_by_an_error(self) -> None:
        def fail() -> None:
            with occasion.about(request="r"):
                raise ValueError

        self.assertRaises(ValueError, fail)
        self.assertEqual({}, occasion.ids())

    def test_the_inner_one_adds_to_the_outer_one(self) -> None:
        with occasion.about(request="r", volume="v"):
            with occasion.about(request="q", task="t", backup=None):
                self.assertEqual(
                    {"request": "q", "volume": "v", "task": "t"},
                    occasion.ids(),
                )
            self.assertEqual({"request": "r", "volume": "v"}, occasion.ids())

    def test_a_task_names_all_that_it_is_about(self) -> None:
        work = samples.backup_task("t1", backup_id="b1")
        with occasion.about_task(work):
            self.assertEqual(
                {
                    "request": "req-t1",
                    "task": "t1",
                    "volume": work.volume_id,
                    "backup": "b1",
                    "project": work.project_id,
                },
                occasion.ids(),
            )

    def test_other_threads_are_at_something_else(self) -> None:
        found = []
        with occasion.about(request="r"):
            thread = threading.Thread(
                target=lambda: found.append(dict(occasion.ids()))
            )
            thread.start()
            thread.join()
        self.assertEqual([{}], found)

    def test_ids_of_requests_are_as_openstack_takes_them(self) -> None:
        self.assertRegex(occasion.new_request(), r"\Areq-[0-9a-f-]{36}\Z")
