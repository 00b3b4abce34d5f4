# SPDX-License-Identifier: Apache-2.0
"""What ``staffeln-status upgrade check`` says before and after an upgrade."""

from __future__ import annotations

import datetime
import json
import pathlib
import shutil
from typing import Any

import fixtures

from staffeln.cmd import db_manage, status
from staffeln.tests import base
from staffeln.workflow import clocks

SAMPLES = pathlib.Path(__file__).parents[2] / "data" / "existing-deployment"
SECRET = "pa55-w0rd!"
KEY = "[conductor]\nbackup_metadata_key = __key\n"


class StatusTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.path = self.home / "staffeln.sqlite"
        self.out = self.useFixture(fixtures.StringStream("out")).stream
        self.useFixture(fixtures.MonkeyPatch("sys.stdout", self.out))

    def configured(self, text: str = "", url: str | None = None) -> list[str]:
        file = self.home / "staffeln.conf"
        file.write_text(
            f"[DEFAULT]\nstate_path = {self.home}\n[database]\n"
            f"connection = {url or f'sqlite:///{self.path}'}\n{text}"
        )
        return ["--config-file", str(file)]

    def check(
        self, text: str = "", url: str | None = None
    ) -> dict[str, tuple[int, str]]:
        """Result and details of each check."""
        code = status.main(
            [*self.configured(text, url), "upgrade", "check", "--json"]
        )
        said = self._said()
        self.assertNotIn(SECRET, said)
        found: dict[str, Any] = json.loads(said)
        results = {
            each["check"]: (each["result"], each["details"] or "")
            for each in found["checks"]
        }
        self.assertEqual(max(each for each, _ in results.values()), code)
        return results

    def _said(self) -> str:
        self.out.seek(0)
        said = str(self.out.read())
        self.out.seek(0)
        self.out.truncate()
        return said

    def test_a_database_of_release_2_waits_for_its_upgrade(self) -> None:
        shutil.copy(SAMPLES / "head.sqlite", self.path)
        before = self.path.read_bytes()
        found = self.check()
        self.assertEqual(before, self.path.read_bytes())
        self.assertEqual(2, found["Schema"][0])
        self.assertIn("staffeln-db-manage upgrade head", found["Schema"][1])
        self.assertEqual(2, found["Options"][0])
        self.assertIn("backup_metadata_key", found["Options"][1])
        self.assertEqual(0, found["Clocks"][0])
        self.assertEqual(0, found["Lock backend"][0])
        self.assertEqual(2, found["Credentials"][0])
        self.assertIn("no credentials", found["Credentials"][1])

    def test_once_upgraded_and_configured_all_that_is_here_is_well(
        self,
    ) -> None:
        shutil.copy(SAMPLES / "head.sqlite", self.path)
        db_manage.main([*self.configured(KEY), "upgrade"])
        self._said()
        found = self.check(KEY)
        for title in ("Schema", "Options", "Lock backend", "Clocks"):
            expected = 1 if title == "Clocks" else 0
            # Cinder's clock cannot be read without credentials.
            self.assertLessEqual(found[title][0], expected, found)

    def test_names_of_release_2_are_named(self) -> None:
        found = self.check(
            "mysql_engine = InnoDB\n[conductor]\n"
            "backup_cycle_timout = 5min\nnosuch = 1\n"
        )
        code, details = found["Options"]
        self.assertEqual(1, code)
        for name in ("mysql_engine", "'backup_cycle_timeout'", "nosuch"):
            self.assertIn(name, details)

    def test_an_option_that_is_wrong_keeps_the_rest_going(self) -> None:
        found = self.check("[conductor]\nfull_backup_depth = many\n")
        self.assertEqual(2, found["Options"][0])
        self.assertIn("full_backup_depth", found["Options"][1])
        self.assertEqual(0, found["Lock backend"][0])

    def test_a_database_that_is_away_is_said(self) -> None:
        found = self.check(url=f"mysql://u:{SECRET}@127.0.0.1:1/staffeln")
        self.assertEqual(2, found["Schema"][0])
        self.assertIn("127.0.0.1:1/staffeln", found["Schema"][1])

    def test_a_keystone_that_is_away_is_said_once(self) -> None:
        log = self.useFixture(fixtures.FakeLogger("keystoneauth"))
        found = self.check(
            "[openstack]\nauth_type = password\nusername = u\n"
            f"password = {SECRET}\nproject_name = p\n"
            "auth_url = http://127.0.0.1:1/v3\n"
            "user_domain_name = Default\nproject_domain_name = Default\n"
        )
        self.assertEqual(2, found["Credentials"][0])
        self.assertIn("127.0.0.1:1", found["Credentials"][1])
        self.assertEqual("", log.output)

    def test_a_clock_that_is_apart_is_said_before_the_upgrade(self) -> None:
        shutil.copy(SAMPLES / "head.sqlite", self.path)
        late = clocks.host_time() - datetime.timedelta(hours=1)
        with fixtures.MonkeyPatch(
            "staffeln.workflow.clocks.host_time", lambda: late
        ):
            found = self.check(KEY)
        self.assertEqual(2, found["Clocks"][0])
        self.assertIn("the database", found["Clocks"][1])

    def test_the_table_is_for_people(self) -> None:
        code = status.main([*self.configured(), "upgrade", "check"])
        self.assertEqual(2, code)
        said = self._said()
        for title in ("Schema", "Options", "Credentials", "Clocks"):
            self.assertIn(f"Check: {title}", said)
