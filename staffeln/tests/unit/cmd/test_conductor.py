# SPDX-License-Identifier: Apache-2.0
"""The command: one line on standard error and an exit code."""

from __future__ import annotations

import contextlib
import os
import pathlib
import subprocess
import sys
from unittest import mock

import fixtures

from staffeln import conf
from staffeln.cmd import conductor, ending
from staffeln.db import migration, session
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
            "staffeln.wiring.conductor.run", lambda _: 0
        ):
            self.assertEqual(0, conductor.main([]))
        self.assertEqual("", self.said())

    def test_what_is_wrong_is_one_line(self) -> None:
        def refuse(_: object) -> int:
            raise errors.SchemaError("the database is not upgraded")

        with fixtures.MonkeyPatch("staffeln.wiring.conductor.run", refuse):
            self.assertEqual(78, conductor.main([]))
        self.assertEqual(
            "staffeln-conductor: the database is not upgraded\n", self.said()
        )

    def test_the_exit_code_says_whether_a_restart_can_help(self) -> None:
        for error, expected in (
            (errors.ConfigurationError("x"), 78),
            (errors.SchemaError("x"), 78),
            (errors.WrongCloudError("x"), 78),
            (errors.ForbiddenError("x", status=401), 78),
            (errors.NotAdministratorError("x", status=403), 78),
            (errors.StoreError("x"), 1),
            (errors.NoAnswerError("x"), 1),
            (errors.NotFoundError("x", status=404), 1),
        ):
            with (
                self.subTest(type(error).__name__),
                fixtures.MonkeyPatch(
                    "staffeln.wiring.conductor.run",
                    mock.Mock(side_effect=error),
                ),
            ):
                self.assertEqual(expected, conductor.main([]))

    def test_the_systemd_unit_knows_that_code(self) -> None:
        root = pathlib.Path(__file__).parents[4]
        unit = root / "etc/systemd/staffeln-conductor.service"
        self.assertIn(
            f"\nRestartPreventExitStatus={ending.EX_CONFIG}\n",
            unit.read_text(),
        )

    def test_a_wrong_option_is_one_line(self) -> None:
        path = self.home / "staffeln.conf"
        path.write_text("[conductor]\nfull_backup_depth = deep\n")
        self.assertEqual(78, conductor.main(["--config-file", str(path)]))
        self.assertIn("full_backup_depth = 'deep'", self.said())
        self.assertEqual(1, len(self.said().splitlines()))


class ProcessTest(base.TestCase):
    """As an operator starts it."""

    def start_with(self, text: str) -> subprocess.Popen[str]:
        path = self.home / "staffeln.conf"
        path.write_text(f"[DEFAULT]\nstate_path = {self.home}\n{text}")
        return subprocess.Popen(
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
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def refused(self, text: str, code: int = 78) -> str:
        """The one line of a start that cannot go well."""
        process = self.start_with(f"log_file = {self.home}/log\n{text}")
        stdout, stderr = process.communicate()
        self.assertEqual(code, process.returncode, stderr)
        self.assertEqual("", stdout)
        (line,) = stderr.splitlines()
        log = self.home / "log"
        if log.exists():
            self.assertNotIn("Traceback", log.read_text())
        return str(line)

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
            + CREDENTIALS,
            code=1,
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

    def test_a_keystone_out_of_reach_is_tried_again(self) -> None:
        text = (
            f"[database]\nconnection = sqlite:///{self.home}/x.sqlite\n"
            + CREDENTIALS
        )
        read = conf.load([], prog="test", default_config_files=[])
        read.set_override(
            "connection", f"sqlite:///{self.home}/x.sqlite", "database"
        )
        with contextlib.closing(
            session.connect(read, create=True)
        ) as database:
            migration.create_schema(database)
        process = self.start_with(text)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        assert process.stdout
        told = (line for line in process.stdout if "next try in" in line)
        tries = [next(told), next(told)]
        self.assertIn("next try in 1 s", tries[0])
        self.assertIn("127.0.0.1:9", tries[0])
        self.assertIn("next try in 2 s", tries[1])
        process.terminate()
        rest, stderr = process.communicate()
        self.assertEqual(("", 0), (stderr, process.returncode), rest)


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
