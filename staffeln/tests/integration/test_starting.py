# SPDX-License-Identifier: Apache-2.0
"""Starts that cannot go well: one clear line each."""

from __future__ import annotations

import json
import signal
import sqlite3

import yaml

from staffeln.tests.integration import base


class StartTest(base.IntegrationTestCase):
    def _refused(self, made: base.Deployment) -> str:
        """Start the conductor; the one line with which it ends."""
        done = made.run("conductor")
        self.assertNotEqual(0, done.returncode)
        self.assertNotIn("Traceback", done.stderr + made.log())
        lines = done.stderr.strip().splitlines()
        self.assertEqual(1, len(lines), done.stderr)
        return lines[0]

    def test_a_wrong_option(self) -> None:
        made = self.deployment()
        made.configure({"conductor": {"full_backup_depth": "many"}})
        line = self._refused(made)
        self.assertIn("full_backup_depth", line)
        self.assertIn("many", line)

    def test_a_database_that_is_not_upgraded(self) -> None:
        made = self.deployment()
        (made.directory / "staffeln.sqlite").unlink()
        sqlite3.connect(made.directory / "staffeln.sqlite").close()
        self.assertIn("staffeln-db-manage", self._refused(made))

    def test_a_wrong_password(self) -> None:
        made = self.deployment(self._other_user("staffeln", "wrong"))
        line = self._refused(made)
        self.assertIn("401", line)

    def test_a_user_without_administrator_rights(self) -> None:
        tenant = self.sandbox.project(self.key)
        made = self.deployment(
            self._other_user(
                tenant.name, f"secret of {tenant.name}", tenant.name
            )
        )
        self.assertIn("administrator", self._refused(made))

    def test_the_database_of_another_cloud(self) -> None:
        made = self.deployment()
        made.start()
        self.wait_for_log(made, "Harvest complete")
        made.stop()
        with sqlite3.connect(made.directory / "staffeln.sqlite") as database:
            database.execute(
                "UPDATE deployment SET auth_url = 'http://elsewhere/v3'"
            )
        made.log_file.unlink()
        line = self._refused(made)
        self.assertIn("belongs to another cloud", line)
        self.assertIn("http://elsewhere/v3", line)

    def test_a_keystone_that_cannot_be_reached_is_tried_again(self) -> None:
        clouds = self._clouds()
        clouds["clouds"]["sandbox-staffeln"]["auth"]["auth_url"] = (
            "http://127.0.0.1:9/v3"
        )
        made = self.deployment(self._clouds_file(clouds))
        made.start()
        self.wait_for_log(made, r"cannot reach|not reached|refused", times=2)
        self.assertTrue(made.running)
        self.assertNotIn("Traceback", made.log())
        self.assertEqual(0, made.stop())

    def test_hangup_reads_the_configuration_again(self) -> None:
        made = self.deployment()
        made.start()
        self.wait_for_log(made, "Harvest complete")
        made.configure(
            {
                "conductor": {
                    "backup_metadata_key": f"{self.key}-other",
                }
            }
        )
        made.signal(signal.SIGHUP)
        self.wait_for_log(made, f"{self.key}-other=true are selected")
        self.assertTrue(made.running)
        self.assertEqual(0, made.stop())

    def _clouds(self) -> dict[str, dict[str, dict[str, dict[str, str]]]]:
        text = self.sandbox.clouds_file.read_text()
        clouds = yaml.safe_load(text)
        assert isinstance(clouds, dict)
        return clouds

    def _clouds_file(self, clouds: object) -> dict[str, str]:
        path = self.make_temp_dir() / "clouds.yaml"
        path.write_text(json.dumps(clouds))
        return {"OS_CLIENT_CONFIG_FILE": str(path)}

    def _other_user(
        self, user: str, password: str, project: str = "service"
    ) -> dict[str, str]:
        clouds = self._clouds()
        clouds["clouds"]["sandbox-staffeln"]["auth"] |= {
            "username": user,
            "password": password,
            "project_name": project,
        }
        return self._clouds_file(clouds)
