# SPDX-License-Identifier: Apache-2.0
"""``staffeln`` as an operator starts it, on a database in a file."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys

import sqlalchemy as sa

from staffeln import conf
from staffeln.cmd import cli
from staffeln.db import migration, rows, session
from staffeln.db.store import SqlStore
from staffeln.domain import errors
from staffeln.tests import base
from staffeln.tests.fakes import fake_cloud
from staffeln.tests.unit.workflow import world

SLOW = ("alembic", "keystoneauth1", "openstack", "sqlalchemy", "tooz")
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


class ProcessTestCase(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.path = self.home / "staffeln.conf"
        self.write()

    def write(self, text: str = "") -> None:
        """Write the configuration, with the database in a file."""
        self.path.write_text(
            f"[DEFAULT]\nstate_path = {self.home}\n[database]\n"
            f"connection = sqlite:///{self.home}/x.sqlite\n{text}"
            f"{CREDENTIALS}"
        )

    def open_database(self) -> session.Database:
        """The database of the configuration; closed after the test."""
        read = conf.load(["--config-file", str(self.path)], prog="test")
        database = session.connect(read, create=True)
        self.addCleanup(database.close)
        return database

    def make_database(self) -> session.Database:
        """The database, with its schema."""
        database = self.open_database()
        migration.create_schema(database)
        return database

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the command."""
        return subprocess.Popen(
            [
                sys.executable,
                "-m",
                "staffeln.cmd.cli",
                "--config-file",
                str(self.path),
                *arguments,
            ],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.home),
                "PYTHONPATH": os.pathsep.join(sys.path),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run_command(self, *arguments: str) -> tuple[int, str, str]:
        """Run the command: exit code, output and errors."""
        process = self.start(*arguments)
        out, err = process.communicate()
        return process.returncode, out, err

    def refused(self, *arguments: str) -> str:
        """The one line of a command that cannot be carried out."""
        code, out, err = self.run_command(*arguments)
        self.assertEqual((1, ""), (code, out), err)
        (line,) = err.splitlines()
        return str(line)


class LoadingTest(base.TestCase):
    def test_help_loads_nothing_slow(self) -> None:
        program = (
            "import json, sys; from staffeln.cmd import cli; "
            "cli.main(sys.argv[1:]); "
            "print(json.dumps(list(sys.modules)))"
        )
        for arguments in (["--help"], ["plan", "--help"], ["help", "task"]):
            with self.subTest(arguments):
                done = subprocess.run(
                    [sys.executable, "-c", program, *arguments],
                    env={
                        "PATH": os.environ["PATH"],
                        "PYTHONPATH": os.pathsep.join(sys.path),
                    },
                    stdout=subprocess.PIPE,
                    text=True,
                    check=True,
                )
                loaded = set(json.loads(done.stdout.splitlines()[-1]))
                self.assertEqual(set(), loaded & set(SLOW))
                self.assertNotIn("staffeln.wiring", loaded)


class WrongTest(ProcessTestCase):
    def test_a_missing_file(self) -> None:
        self.path.unlink()
        self.assertIn(str(self.path), self.refused("plan"))

    def test_a_wrong_option(self) -> None:
        self.write("[conductor]\nfull_backup_depth = deep\n")
        self.assertIn(
            "full_backup_depth = 'deep'", self.refused("task", "list")
        )

    def test_a_database_without_a_schema(self) -> None:
        self.assertIn("staffeln-db-manage", self.refused("task", "list"))

    def test_a_database_out_of_reach(self) -> None:
        self.write(
            "[database]\nconnection = mysql+pymysql://u:geheim@127.0.0.1:9/x\n"
        )
        line = self.refused("backup", "list")
        self.assertIn("127.0.0.1", line)
        self.assertNotIn("geheim", line)

    def test_a_cloud_out_of_reach(self) -> None:
        self.make_database()
        self.assertIn("127.0.0.1:9", self.refused("plan"))

    def test_an_adopted_database_with_a_key_that_nobody_set(self) -> None:
        database = self.make_database()
        database.write(
            lambda connection: connection.execute(
                sa.update(rows.DEPLOYMENT).values(adopted=True)
            )
        )
        self.assertIn("backup_metadata_key", self.refused("plan"))

    def test_an_unknown_task(self) -> None:
        self.make_database()
        self.assertEqual(
            "staffeln: there is no task nix",
            self.refused("task", "show", "nix"),
        )


class RightTest(ProcessTestCase):
    def test_an_empty_database(self) -> None:
        self.make_database()
        code, out, err = self.run_command("task", "list", "-f", "json")
        self.assertEqual((0, "[]\n"), (code, out), err)
        self.assertEqual("Nothing found.\n", err)

    def test_a_reader_that_goes_away(self) -> None:
        self.make_database()
        process = self.start("-q", "task", "list")
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        self.assertEqual("", process.stderr.read())
        process.stderr.close()
        self.assertEqual(141, process.wait())

    def test_an_output_that_is_closed_or_full(self) -> None:
        """A doctor is asked for its exit code alone, too."""
        of_shell = '"$@" %s; echo $? >&3'
        for where, code, said in (
            (">&-", "0", ""),
            (">&- 2>&- <&-", "0", ""),
            (">/dev/full", "2", "staffeln: the output is lost: No space"),
        ):
            for more in ([], ["--json"]):
                report = self.home / "code"
                done = subprocess.run(
                    [
                        "/bin/sh",
                        "-c",
                        f"exec 3>{report}; {of_shell % where}",
                        "sh",
                        sys.executable,
                        "-m",
                        "staffeln.cmd.cli",
                        "--config-file",
                        str(self.path),
                        "doctor",
                        "--check",
                        "configuration",
                        *more,
                    ],
                    env={
                        "PATH": os.environ["PATH"],
                        "HOME": str(self.home),
                        "PYTHONPATH": os.pathsep.join(sys.path),
                    },
                    stderr=subprocess.PIPE,
                    text=True,
                    check=True,
                )
                self.assertEqual(code, report.read_text().strip(), where)
                self.assertEqual(bool(said), bool(done.stderr), done.stderr)
                self.assertIn(said, done.stderr)

    def test_names_in_a_narrow_locale(self) -> None:
        self.fill()
        process = subprocess.run(
            [
                sys.executable,
                "-m",
                "staffeln.cmd.cli",
                "--config-file",
                str(self.path),
                "task",
                "list",
            ],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.home),
                "PYTHONPATH": os.pathsep.join(sys.path),
                "PYTHONIOENCODING": "ascii",
            },
            stdout=subprocess.PIPE,
            check=True,
        )
        self.assertIn(b"\\u65e5", process.stdout)

    def test_the_story_from_the_database(self) -> None:
        task_id = self.fill()
        code, out, err = self.run_command(
            "task", "show", task_id[:8], "-f", "json"
        )
        self.assertEqual((0, ""), (code, err))
        self.assertEqual(
            ["planned"],
            [each["to_state"] for each in json.loads(out)["events"]],
        )

    def fill(self) -> str:
        """Plan one backup; returns the task's id."""
        store = SqlStore(self.make_database())
        cloud = fake_cloud.FakeCloud(clock=store.now)
        volume_id = cloud.add_volume("p", name="日本語")
        cloud.add_server("p", metadata=world.TAG, volume_ids=[volume_id])
        process = world.Process(
            "c1", store, cloud, world.settings(), world.Clock()
        )
        process.scheduler.take_office()
        process.scheduler.lead()
        (planned,) = store.tasks()
        return planned.id


class DoorsTest(ProcessTestCase):
    """In this process, so that the doors' own code is seen."""

    def test_each_opens_what_it_says(self) -> None:
        self.make_database()
        doors = cli._open_doors([str(self.path)])
        with doors.store() as store:
            self.assertEqual([], store.tasks())
            self.assertEqual(
                "__staffeln_backup", doors.settings(store).rule.backup_key
            )
        error = self.assertRaises(errors.NotSentError, doors.cloud)
        self.assertIn("127.0.0.1:9", str(error))

    def test_the_database_is_closed_after_a_command(self) -> None:
        self.make_database()
        doors = cli._open_doors([str(self.path)])
        with contextlib.ExitStack() as opened:
            store = opened.enter_context(doors.store())
        self.assertIsInstance(store, SqlStore)
