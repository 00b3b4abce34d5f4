# SPDX-License-Identifier: Apache-2.0
"""Tests of what the base class promises to every other test."""

import logging
import os
import pathlib

from staffeln.tests import base


class IsolationTest(base.TestCase):
    def test_home_is_an_empty_folder_of_this_test(self) -> None:
        self.assertEqual(self.home, pathlib.Path.home())
        self.assertEqual([], list(self.home.iterdir()))

    def test_temp_dirs_are_distinct(self) -> None:
        self.assertNotEqual(self.make_temp_dir(), self.make_temp_dir())

    def test_log_is_captured_with_its_level(self) -> None:
        logging.getLogger("staffeln.x").debug("volume %s", "v1")
        self.assertEqual("DEBUG staffeln.x: volume v1\n", self.log.output)


class EnvironmentTest(base.TestCase):
    def setUp(self) -> None:
        os.environ["OS_PASSWORD"] = "from the shell"
        self.addCleanup(os.environ.pop, "OS_PASSWORD", None)
        super().setUp()

    def test_credentials_of_the_shell_are_not_seen(self) -> None:
        self.assertNotIn("OS_PASSWORD", os.environ)
