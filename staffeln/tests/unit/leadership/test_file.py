# SPDX-License-Identifier: Apache-2.0
"""Looking at the lock on a file, by who may not be who takes it."""

import os
import pathlib
from typing import Any

from staffeln import leadership
from staffeln.domain import errors
from staffeln.tests import base


class ProbeTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.state = self.home / "state"
        self.state.mkdir()
        self.settings = leadership.Settings(state_path=str(self.state))
        self.lock = self.state / "lock" / "scheduler"

    def take_once(self) -> None:
        """So that all is there which a conductor makes."""
        held = leadership.connect(self.settings, "me")
        self.assertTrue(held.acquire())
        held.close()

    def forbid(self, *paths: pathlib.Path) -> None:
        """Let these belong to others, whoever runs the tests."""
        allowed = os.access

        def access(path: Any, mode: int) -> bool:
            return path not in paths and allowed(path, mode)

        self.patch(os, "access", access)

    def refusal(self) -> str:
        error = self.assertRaises(
            errors.ConfigurationError, leadership.probe, self.settings
        )
        self.assertEqual(1, len(str(error).splitlines()))
        self.assertIn("see state_path and [coordination]", str(error))
        return str(error)

    def test_nothing_is_made(self) -> None:
        leadership.probe(self.settings)
        self.assertEqual([], list(self.state.iterdir()))

    def test_a_lock_that_is_held_can_be_looked_at(self) -> None:
        held = leadership.connect(self.settings, "me")
        self.assertTrue(held.acquire())
        leadership.probe(self.settings)
        self.assertTrue(held.held())
        held.close()

    def test_a_file_of_somebody_else(self) -> None:
        self.take_once()
        self.forbid(self.lock)
        text = self.refusal()
        self.assertIn(f"{self.lock} belongs to ", text)
        self.assertIn("may not write to it", text)

    def test_a_folder_of_somebody_else(self) -> None:
        self.forbid(self.state)
        self.assertIn(f"{self.state} belongs to ", self.refusal())

    def test_a_folder_of_somebody_else_with_all_in_it(self) -> None:
        self.take_once()
        self.forbid(self.state, self.lock.parent)
        leadership.probe(self.settings)

    def test_a_folder_in_the_place_of_the_file(self) -> None:
        self.lock.mkdir(parents=True)
        self.assertIn("is a folder", self.refusal())

    def test_a_file_in_the_place_of_the_folder(self) -> None:
        self.lock.parent.touch()
        self.assertIn("is no folder", self.refusal())
