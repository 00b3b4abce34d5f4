# SPDX-License-Identifier: Apache-2.0
"""The doctor where the configuration itself is broken."""

from __future__ import annotations

import json
import os
import warnings

import fixtures
from oslo_config import cfg

from staffeln.cli import doctor as shown
from staffeln.conf import checking
from staffeln.domain.findings import (
    CHECKS,
    CheckRequest,
    Examination,
    Finding,
    Result,
)
from staffeln.status.doctor import Check
from staffeln.tests import base
from staffeln.wiring import doctor

SECRETS = {
    "connection": "mysql+pymysql://u:database-word@127.0.0.1:1/x",
    "backend_url": "redis://:backend-word@127.0.0.1:1/",
    "sender_pwd": "mail-word",
    "heartbeat_url": "http://127.0.0.1:1/heartbeat-word",
}
BROKEN = f"""
[DEFAULT]
state_path = relative
[database]
connection = {SECRETS["connection"]}
[coordination]
backend_url = {SECRETS["backend_url"]}
[notification]
sender_email = a@b.example
smtp_server_domain = 127.0.0.1
smtp_server_port = 1
sender_pwd = {SECRETS["sender_pwd"]}
heartbeat_url = {SECRETS["heartbeat_url"]}
[conductor]
backup_min_interval = soon
backpu_metadata_key = x
[openstack]
auth_type = password
auth_url = http://me:url-word@127.0.0.1:1/v3
username = u
password = cloud-word
project_name = p
user_domain_name = d
project_domain_name = d
"""


class BrokenTest(base.TestCase):
    def examine(self, text: str | None) -> Examination:
        path = self.home / "staffeln.conf"
        if text is not None:
            path.write_text(text)
        return doctor.examine(
            CheckRequest(
                config_files=[str(path)], checks=list(CHECKS), limit=60
            )
        )

    def test_a_file_that_is_not_there(self) -> None:
        self._nothing_else_is_said(self.examine(text=None))

    def test_a_file_that_cannot_be_read(self) -> None:
        text = "[database\nconnection = mysql://u:database-word@h/x\n"
        found = self.examine(text=text)
        self._nothing_else_is_said(found)
        self.assertNotIn("database-word", json.dumps(shown.as_json(found)))

    def _nothing_else_is_said(self, found: Examination) -> None:
        first, *others = found.checks
        self.assertEqual(
            ("configuration", Result.ERROR), (first.name, first.result)
        )
        for each in others:
            (finding,) = each.findings
            self.assertEqual(
                {"check": "configuration"}, dict(finding.where), each.name
            )

    def test_everything_is_wrong_and_no_secret_is_told(self) -> None:
        found = self.examine(text=BROKEN)
        checks = {each.name: each for each in found.checks}
        for name in (
            "configuration",
            "keystone",
            "database",
            "coordination",
            "mail",
        ):
            self.assertEqual(Result.ERROR, checks[name].result, name)
            self.assertNotEqual("", checks[name].findings[0].todo)
        kinds = [each.kind for each in checks["configuration"].findings]
        self.assertEqual(["wrong-option", "unknown-option"], kinds)
        self.assertNotIn("-word", json.dumps(shown.as_json(found)))

    def test_the_environment_is_as_secret(self) -> None:
        for name, value in (
            ("OS_AUTH_URL", "http://127.0.0.1:1/v3"),
            ("OS_USERNAME", "u"),
            ("OS_PASSWORD", "cloud-word"),
            ("OS_PROJECT_NAME", "cloud-word"),
        ):
            self.useFixture(fixtures.EnvironmentVariable(name, value))
        found = self.examine(text="[DEFAULT]\n")
        self.assertNotIn("-word", json.dumps(shown.as_json(found)))

    def test_a_lock_of_somebody_else(self) -> None:
        lock = self.home / "lock"
        lock.mkdir()
        refused = lock / "scheduler"
        refused.touch()
        allowed = os.access
        self.patch(
            os,
            "access",
            lambda path, mode: path != refused and allowed(path, mode),
        )
        found = self.examine(text=f"[DEFAULT]\nstate_path = {self.home}\n")
        (told,) = [x for x in found.checks if x.name == "coordination"]
        self.assertEqual(Result.ERROR, told.result)
        self.assertIn(f"{refused} belongs to ", told.findings[0].what)
        self.assertEqual([refused], list(lock.iterdir()), "nothing is made")

    def test_options_that_a_library_adds_change_nothing_meanwhile(
        self,
    ) -> None:
        """While one check goes through all options, others open doors."""
        path = self.home / "staffeln.conf"
        path.write_text(BROKEN)
        patient = doctor._Prepared(
            CheckRequest(
                config_files=[str(path)], checks=list(CHECKS), limit=60
            )
        ).patient()

        def go_through(conf: cfg.ConfigOpts) -> None:
            names = iter(conf.openstack)
            first = next(names)
            patient.cloud()
            self.assertIn("page_size", [first, *names])

        self.patch(checking, "check", go_through)
        self.assertEqual("", patient.configured().wrong)

    def test_no_library_warns_of_itself(self) -> None:
        """Whichever thread loads it, and whatever that one filters."""

        def look() -> list[Finding]:
            with warnings.catch_warnings():
                pass
            warnings.warn("Eventlet is deprecated", UserWarning, stacklevel=1)
            return []

        self.patch(
            doctor,
            "all_checks",
            lambda *_: [Check(name="files", about="", look=look, todo="")],
        )
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            doctor.examine(
                CheckRequest(config_files=[], checks=["files"], limit=60)
            )
        self.assertEqual([], seen)
