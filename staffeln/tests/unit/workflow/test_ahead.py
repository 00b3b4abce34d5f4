# SPDX-License-Identifier: Apache-2.0
"""Lists that are read one page ahead."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from unittest import mock

from staffeln.domain import errors
from staffeln.tests import base
from staffeln.workflow import ahead
from staffeln.workflow.ahead import one_ahead

PATIENCE = 30
"""Seconds; nothing waits for so long unless it is wrong."""


class Pages:
    """A list of pages that tells which were asked for."""

    def __init__(self, count: int) -> None:
        self.asked = [threading.Event() for _ in range(count + 1)]
        self.given = [threading.Event() for _ in range(count + 1)]
        """Nobody gets a page before; the last one is the end."""

    def read(self) -> Iterator[int]:
        for number, asked in enumerate(self.asked):
            asked.set()
            self.given[number].wait(PATIENCE)
            if number == len(self.asked) - 1:
                return
            yield number


class OneAheadTest(base.TestCase):
    def test_all_pages_in_their_order(self) -> None:
        for count in (0, 1, 2, 9):
            self.assertEqual(
                list(range(count)), list(one_ahead(iter(range(count))))
            )

    def test_one_page_ahead_and_no_more(self) -> None:
        pages = Pages(4)
        for each in pages.given:
            each.set()
        found = one_ahead(pages.read())
        self.assertFalse(pages.asked[0].is_set())
        for number in range(3):
            self.assertEqual(number, next(found))
            self.assertTrue(pages.asked[number + 1].wait(PATIENCE))
            self.assertFalse(pages.asked[number + 2].is_set())

    def test_an_error_comes_where_it_did(self) -> None:
        def failing() -> Iterator[int]:
            yield 1
            yield 2
            raise errors.CloudError("Nova answered 503")

        taken: list[int] = []
        with self.assertRaisesRegex(errors.CloudError, "503"):
            taken += one_ahead(failing())
        found = one_ahead(failing())
        self.assertEqual([1, 2], [next(found), next(found)])
        self.assertRaises(errors.CloudError, next, found)

    def test_who_takes_no_more_waits_for_nothing(self) -> None:
        pages = Pages(2)
        pages.given[0].set()
        for number in one_ahead(pages.read()):
            self.assertEqual(0, number)
            self.assertTrue(pages.asked[1].wait(PATIENCE))
            break
        # The second page has not come, and this line is reached.
        pages.given[1].set()

    def test_who_is_told_to_stop_waits_no_longer(self) -> None:
        pages = Pages(1)

        def go_on() -> None:
            raise errors.StoppedError("the process is to end")

        with mock.patch.object(ahead, "LOOK", 0.01):
            found = one_ahead(pages.read(), go_on)
            self.assertRaises(errors.StoppedError, next, found)
        pages.given[0].set()
