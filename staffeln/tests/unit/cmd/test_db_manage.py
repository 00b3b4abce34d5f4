# SPDX-License-Identifier: Apache-2.0
"""What ``staffeln-db-manage`` says, and its exit codes."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import sys

import fixtures

from staffeln.cmd import db_manage
from staffeln.db import migration
from staffeln.tests import base
from staffeln.tests.fakes import fake_cloud

SAMPLES = pathlib.Path(__file__).parents[2] / "data" / "existing-deployment"
SECRET = "pa55-w0rd!"


class DbManageCase(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.path = self.home / "staffeln.sqlite"
        self.url = f"sqlite:///{self.path}"
        self.out = self.useFixture(fixtures.StringStream("out")).stream
        self.err = self.useFixture(fixtures.StringStream("err")).stream
        self.useFixture(fixtures.MonkeyPatch("sys.stdout", self.out))
        self.useFixture(fixtures.MonkeyPatch("sys.stderr", self.err))

    def configured(self, url: str | None = None) -> list[str]:
        """Arguments that name a file with this connection."""
        file = self.home / "staffeln.conf"
        file.write_text(
            f"[DEFAULT]\nstate_path = {self.home}\n"
            f"[database]\nconnection = {url or self.url}\n"
        )
        return ["--config-file", str(file)]

    def call(self, *arguments: str, url: str | None = None) -> int:
        return db_manage.main([*self.configured(url), *arguments])

    def said(self) -> list[str]:
        """The lines on standard output since the last time."""
        return self._taken(self.out)

    def complaint(self, *arguments: str, url: str | None = None) -> str:
        """The one line with which a call is refused."""
        self.assertEqual(1, self.call(*arguments, url=url))
        lines = self._taken(self.err)
        self.assertEqual(1, len(lines), str(lines))
        self.assertEqual([], self.said())
        self.assertNotIn(SECRET, lines[0])
        name, _, words = lines[0].partition(": ")
        self.assertEqual("staffeln-db-manage", name)
        return str(words)

    @staticmethod
    def _taken(stream: object) -> list[str]:
        stream.seek(0)  # type: ignore[attr-defined]
        lines: list[str] = stream.read().splitlines()  # type: ignore[attr-defined]
        stream.seek(0)  # type: ignore[attr-defined]
        stream.truncate()  # type: ignore[attr-defined]
        return lines


class CommandsTest(DbManageCase):
    def test_a_new_database_is_made_and_has_a_version(self) -> None:
        self.assertEqual(1, self.call("version"))
        self.assertEqual(0, self.call("create_schema"))
        self.assertEqual([f"the schema is at {migration.head()}"], self.said())
        self.assertEqual(0, self.call("version"))
        self.assertEqual([migration.head()], self.said())

    def test_only_the_owner_may_read_the_file(self) -> None:
        self.call("create_schema")
        self.assertEqual(0o600, self.path.stat().st_mode & 0o777)

    def test_an_upgrade_makes_what_is_not_there(self) -> None:
        for _ in range(2):
            self.assertEqual(0, self.call("upgrade"))
            said = self.said()
            self.assertEqual(f"the schema is at {migration.head()}", said[-1])

    def test_a_schema_is_made_once(self) -> None:
        self.call("create_schema")
        self.said()
        self.assertEqual(
            "the database is not empty; to bring it up to date, run "
            "staffeln-db-manage upgrade head",
            self.complaint("create_schema"),
        )

    def test_an_earlier_release_is_adopted_and_told_of(self) -> None:
        shutil.copy(SAMPLES / "head.sqlite", self.path)
        self.assertIn("not empty", self.complaint("create_schema"))
        self.assertEqual(0, self.call("upgrade", "head"))
        said = self.said()
        self.assertEqual(
            3, sum("interrupted by the upgrade" in line for line in said)
        )
        self.assertIn(
            "old table backup_data is kept as old_2x_backup_data", said
        )
        self.assertEqual(f"the schema is at {migration.head()}", said[-1])

    def test_a_rehearsal_writes_nothing_and_says_what_is_missing(self) -> None:
        shutil.copy(SAMPLES / "head.sqlite", self.path)
        before = self.path.read_bytes()
        self.assertEqual(0, self.call("rehearse"))
        said = self.said()
        self.assertEqual(before, self.path.read_bytes())
        self.assertIn("127 backup(s) adopted", said)
        self.assertIn("backup_metadata_key is not set", said[-2])
        self.assertEqual("nothing was written: this was a rehearsal", said[-1])
        self.call("version")
        self.assertEqual(["5b2e78435231"], self.said())
        self.call("upgrade")
        self.said()
        self.assertEqual(0, self.call("rehearse"))
        self.assertIn("nothing to do", self.said()[0])

    def test_a_rehearsal_names_what_is_called_otherwise_now(self) -> None:
        arguments = self.configured()
        with (self.home / "staffeln.conf").open("a") as file:
            file.write(
                "mysql_engine = InnoDB\n[conductor]\n"
                "backup_cycle_timout = 5h\n"
            )
        self.assertEqual(0, db_manage.main([*arguments, "create_schema"]))
        self.said()
        self.assertEqual(0, db_manage.main([*arguments, "rehearse"]))
        renamed, unread, _ = self.said()[-3:]
        self.assertIn("'backup_cycle_timeout' now", renamed)
        self.assertIn("[database] mysql_engine", unread)

    def test_a_database_goes_back_and_comes_again(self) -> None:
        shutil.copy(SAMPLES / "head.sqlite", self.path)
        self.assertIn("run staffeln-db-manage", self.complaint("export-2x"))
        self.call("upgrade")
        self.said()
        self.assertEqual(0, self.call("export-2x"))
        self.assertIn(
            "122 backup(s) to be kept and 5 to be removed are in backup_data",
            self.said(),
        )
        self.call("version")
        self.assertEqual(["5b2e78435231"], self.said())
        self.assertEqual(0, self.call("rehearse"))
        self.assertNotIn("refused", " ".join(self.said()))
        self.assertEqual(0, self.call("upgrade"))
        self.assertIn("127 backup(s) adopted", self.said())

    def test_another_cloud_is_bound_on_purpose(self) -> None:
        self.call("create_schema")
        self.said()
        cloud = fake_cloud.FakeCloud()
        self.useFixture(
            fixtures.MonkeyPatch(
                "staffeln.wiring.doors.cloud", lambda *_, **__: cloud
            )
        )
        self.assertEqual(0, self.call("rebind"))
        self.assertEqual("nothing was written: --yes does it", self.said()[-1])
        self.assertEqual(0, self.call("rebind", "--yes"))
        self.assertIn("is bound to this cloud now", self.said()[-1])
        self.assertEqual(0, self.call("rebind", "--yes"))
        self.assertIn("nothing to do", self.said()[-1])

    def test_a_revision_that_nobody_knows_is_refused(self) -> None:
        said = self.complaint("upgrade", "nosuch")
        self.assertIn("cannot upgrade to nosuch", said)

    def test_there_is_no_way_down(self) -> None:
        self.assertIn("downgrade", self.complaint("downgrade"))

    def test_a_command_is_needed(self) -> None:
        self.assertIn("command", self.complaint())


class WrongConnectionTest(DbManageCase):
    """Each is one line that says what and where, without the password."""

    def test_a_url_is_needed(self) -> None:
        for url in (
            "what is this",
            f"mysql://u:{SECRET}@127.0.0.1:port/staffeln",
        ):
            self.assertIn(
                "is not a database URL", self.complaint("version", url=url)
            )

    def test_other_databases_are_refused(self) -> None:
        said = self.complaint(
            "version", url=f"oracle://u:{SECRET}@127.0.0.1/staffeln"
        )
        self.assertIn("oracle is not one of sqlite, mysql, postgresql", said)

    def test_a_driver_that_is_not_there_is_named(self) -> None:
        for driver in ("mysql+nodriver", "postgresql+pg8000"):
            said = self.complaint(
                "version", url=f"{driver}://u:{SECRET}@127.0.0.1/staffeln"
            )
            self.assertIn(driver.partition("+")[2], said)
            self.assertIn("[database] connection", said)

    def test_an_option_that_the_driver_does_not_know_is_named(self) -> None:
        said = self.complaint(
            "version", url=f"mysql://u:{SECRET}@127.0.0.1/x?nosuch=1"
        )
        self.assertIn("nosuch", said)

    def test_a_value_that_the_driver_cannot_read_is_named(self) -> None:
        for command in ("version", "upgrade"):
            said = self.complaint(
                command,
                url=f"mysql://u:{SECRET}@127.0.0.1/x?connect_timeout=abc",
            )
            self.assertIn("'abc'", said)

    def test_a_server_that_does_not_answer_is_named(self) -> None:
        for kind in ("mysql", "postgresql"):
            said = self.complaint(
                "version", url=f"{kind}://u:{SECRET}@127.0.0.1:1/staffeln"
            )
            self.assertIn("@127.0.0.1:1/staffeln cannot be reached", said)
            self.assertIn("refused", said)

    def test_sqlite_needs_a_file_in_a_folder(self) -> None:
        self.assertIn(
            "needs a file", self.complaint("version", url="sqlite://")
        )
        said = self.complaint("version", url=f"sqlite:///{self.home}/a/b")
        self.assertIn(f"there is no directory {self.home}/a", said)
        said = self.complaint("version", url=f"sqlite:///{self.home}")
        self.assertIn("cannot be written: Is a directory", said)

    def test_a_folder_that_may_not_be_written_is_one_line(self) -> None:
        def refuse(*_: object) -> int:
            raise PermissionError(13, "Permission denied")

        with fixtures.MonkeyPatch("staffeln.db.urls.os.open", refuse):
            said = self.complaint("version")
        self.assertEqual(
            f"the database {self.path} cannot be written: Permission denied",
            said,
        )

    def test_a_file_that_is_no_database_is_one_line(self) -> None:
        self.path.write_text("nothing that SQLite knows " * 20)
        self.assertIn("file is not a database", self.complaint("version"))


class ProcessTest(DbManageCase):
    """As an operator runs it: no library says anything besides."""

    def test_an_error_is_one_line(self) -> None:
        self.path.write_text("nothing that SQLite knows " * 20)
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "staffeln.cmd.db_manage",
                *self.configured(),
                "version",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual((1, ""), (done.returncode, done.stdout))
        self.assertEqual(1, len(done.stderr.splitlines()), done.stderr)

    def test_an_upgrade_says_what_it_did_and_no_more(self) -> None:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "staffeln.cmd.db_manage",
                *self.configured(),
                "create_schema",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        self.assertEqual(f"the schema is at {migration.head()}\n", done.stdout)
