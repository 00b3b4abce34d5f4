# SPDX-License-Identifier: Apache-2.0
"""SIGHUP: everything is read again, or nothing changes."""

from oslo_config import cfg

from staffeln import conf
from staffeln.conf import logs
from staffeln.domain import errors
from staffeln.tests.unit.conf import files


class RereadableTest(files.ConfTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.keep_log_handlers()
        self.log_file = self.home / "log"
        self.write("[conductor]\nbackup_workers = 3\n")
        self.conf = conf.Rereadable(
            lambda: conf.load(["--config-file", self.path], prog="test")
        )
        logs.begin(self.conf.now)

    def write(self, text: str) -> None:
        self.path = str(
            self.file(f"[DEFAULT]\nlog_file = {self.log_file}\n{text}")
        )

    def test_a_good_file_takes_the_old_ones_place(self) -> None:
        self.write("[conductor]\nbackup_workers = 4\n")
        self.assertTrue(self.conf.reload_config_files())
        self.assertEqual(4, self.conf.now.conductor.backup_workers)
        self.assertEqual(60, self.conf.graceful_shutdown_timeout)

    def test_a_bad_file_changes_nothing_and_is_one_line(self) -> None:
        before = self.log_file.read_text()
        self.write("[conductor]\nbackup_workers = x\nrotation_workers = 99\n")
        self.assertFalse(self.conf.reload_config_files())
        self.assertEqual(3, self.conf.now.conductor.backup_workers)
        self.assertEqual(8, self.conf.now.conductor.rotation_workers)
        (line,) = self.log_file.read_text()[len(before) :].splitlines()
        self.assertIn("the old values stay: [conductor] backup_workers", line)
        self.assertTrue(line.endswith("from 1 to 1000"), line)

    def test_what_cannot_be_used_is_not_taken(self) -> None:
        """As credentials of a cloud that clouds.yaml does not have."""

        def check(fresh: cfg.ConfigOpts) -> None:
            raise errors.SchemaError(f"{fresh.conductor.backup_workers} no")

        before = self.conf
        self.conf = conf.Rereadable(lambda: before.now, check)
        self.assertFalse(self.conf.reload_config_files())
        self.assertIn("values stay: 3 no", self.log_file.read_text())

    def test_a_log_that_cannot_be_opened_leaves_the_old_one(self) -> None:
        good = self.log_file
        self.log_file = self.home / "nowhere" / "log"
        self.write("")
        self.assertFalse(self.conf.reload_config_files())
        self.assertIn("the log cannot be opened", good.read_text())
