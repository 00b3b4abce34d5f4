# SPDX-License-Identifier: Apache-2.0
"""The command: one line on standard error and an exit code."""

from __future__ import annotations

import os
import subprocess
import sys

import fixtures

from staffeln.cmd import conductor
from staffeln.domain import errors
from staffeln.tests import base


class MainTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.errors = self.useFixture(fixtures.StringStream("err")).stream
        self.useFixture(fixtures.MonkeyPatch("sys.stderr", self.errors))

    def said(self) -> str:
        self.errors.seek(0)
        return str(self.errors.read())

    def test_the_exit_code_is_that_of_the_service(self) -> None:
        with fixtures.MonkeyPatch(
            "staffeln.wiring.run_conductor", lambda _: 0
        ):
            self.assertEqual(0, conductor.main([]))
        self.assertEqual("", self.said())

    def test_what_is_wrong_is_one_line(self) -> None:
        def refuse(_: object) -> int:
            raise errors.SchemaError("the database is not upgraded")

        with fixtures.MonkeyPatch("staffeln.wiring.run_conductor", refuse):
            self.assertEqual(1, conductor.main([]))
        self.assertEqual(
            "staffeln-conductor: the database is not upgraded\n", self.said()
        )

    def test_a_wrong_option_is_one_line(self) -> None:
        path = self.home / "staffeln.conf"
        path.write_text("[conductor]\nfull_backup_depth = deep\n")
        self.assertEqual(1, conductor.main(["--config-file", str(path)]))
        self.assertIn("full_backup_depth = 'deep'", self.said())
        self.assertEqual(1, len(self.said().splitlines()))


class ProcessTest(base.TestCase):
    """As an operator starts it."""

    def run_with(self, text: str) -> subprocess.CompletedProcess[str]:
        path = self.home / "staffeln.conf"
        path.write_text(
            f"[DEFAULT]\nlog_file = {self.home}/log\n"
            f"state_path = {self.home}\n{text}"
        )
        return subprocess.run(
            [
                sys.executable,
                "-m",
                "staffeln.cmd.conductor",
                "--config-file",
                str(path),
            ],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.home),
                "PYTHONPATH": os.pathsep.join(sys.path),
            },
            capture_output=True,
            text=True,
            check=False,
        )

    def refused(self, text: str) -> str:
        """The one line of a start that cannot go well."""
        done = self.run_with(text)
        self.assertEqual(1, done.returncode, done.stderr)
        self.assertEqual("", done.stdout)
        (line,) = done.stderr.splitlines()
        log = self.home / "log"
        if log.exists():
            self.assertNotIn("Traceback", log.read_text())
        return line

    def test_a_wrong_option(self) -> None:
        self.assertIn(
            "[conductor] backup_workers = '0'",
            self.refused("[conductor]\nbackup_workers = 0\n"),
        )

    def test_no_credentials(self) -> None:
        self.assertIn("no credentials", self.refused(""))

    def test_a_folder_that_cannot_be_written(self) -> None:
        line = self.refused(
            "[coordination]\nbackend_url = file:///dev/null/x\n" + CREDENTIALS
        )
        self.assertIn("/dev/null/x", line)

    def test_a_database_out_of_reach(self) -> None:
        line = self.refused(
            "[database]\nmax_retries = 0\n"
            "connection = mysql+pymysql://u:geheim@127.0.0.1:9/x\n"
            + CREDENTIALS
        )
        self.assertIn("127.0.0.1", line)
        self.assertNotIn("geheim", line)

    def test_a_database_without_a_schema(self) -> None:
        line = self.refused(
            f"[database]\nconnection = sqlite:///{self.home}/x.sqlite\n"
            + CREDENTIALS
        )
        self.assertIn("staffeln-db-manage", line)

    def test_the_reason_is_in_the_log_as_well(self) -> None:
        line = self.refused("")
        self.assertIn(
            line.removeprefix("staffeln-conductor: "),
            (self.home / "log").read_text(),
        )


CREDENTIALS = """
[openstack]
auth_type = password
auth_url = http://127.0.0.1:9/v3
username = u
password = p
project_name = service
user_domain_name = Default
project_domain_name = Default
"""
