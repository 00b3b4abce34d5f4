# SPDX-License-Identifier: Apache-2.0
"""The folder in which processes count together, and its room."""

from __future__ import annotations

import errno
import os
import pathlib
import subprocess
import sys
import tempfile
from unittest import mock

import fixtures

from staffeln.metrics import folder
from staffeln.tests import base

COUNT = """
import os, pathlib
from staffeln.metrics import folder
folder.take_room()
kept = pathlib.Path(os.environ[folder.VARIABLE])
before = {path.name: path.stat().st_size for path in kept.iterdir()}
from staffeln.metrics import prometheus
for number in range(100):
    prometheus.observe("POST", f"/{number}", 200, 0.1)
after = {path.name: path.stat().st_size for path in kept.iterdir()}
assert before == after, (before, after)
assert set(before.values()) == {folder.ROOM}, before
assert b'route="/99"' in prometheus.render()
"""


class FolderTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.useFixture(fixtures.EnvironmentVariable(folder.VARIABLE))
        self.patch(tempfile, "tempdir", str(self.home))
        self.folder = folder.Folder()
        self.addCleanup(self.folder.remove)

    def made(self) -> list[pathlib.Path]:
        return list(self.home.iterdir())

    def test_it_is_made_once_and_removed(self) -> None:
        self.folder.use(wanted=True)
        self.assertNotIn(folder.VARIABLE, os.environ)
        self.folder.make()
        self.folder.make()
        (made,) = self.made()
        self.folder.use(wanted=True)
        self.assertEqual(str(made), os.environ[folder.VARIABLE])
        self.folder.use(wanted=False)
        self.assertNotIn(folder.VARIABLE, os.environ)
        self.folder.remove()
        self.assertEqual([], self.made())

    def test_no_folder_is_one_line(self) -> None:
        self.patch(tempfile, "tempdir", str(self.home / "nowhere"))
        error = self.assertRaises(folder.FolderError, self.folder.make)
        self.assertIn("No such file or directory", str(error))

    def test_numbers_need_no_more_room_than_was_taken(self) -> None:
        self.folder.make()
        self.folder.use(wanted=True)
        subprocess.run(
            [sys.executable, "-c", COUNT],
            env={
                "PYTHONPATH": os.pathsep.join(sys.path),
                folder.VARIABLE: os.environ[folder.VARIABLE],
            },
            check=True,
        )

    def test_without_room_a_process_counts_alone(self) -> None:
        self.folder.make()
        self.folder.use(wanted=True)
        full = OSError(errno.ENOSPC, "No space left on device")
        with mock.patch("os.posix_fallocate", side_effect=full):
            folder.take_room()
        self.assertNotIn(folder.VARIABLE, os.environ)
        self.assertIn("No space left on device", self.log.output)
        (made,) = self.made()
        self.assertEqual([], list(made.iterdir()))

    def test_alone_no_room_is_taken(self) -> None:
        folder.take_room()
        self.assertEqual([], self.made())
