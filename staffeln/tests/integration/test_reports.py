# SPDX-License-Identifier: Apache-2.0
"""What people hear: reports by mail, metrics, and the signs of life."""

from __future__ import annotations

import collections
import csv
import io
import re
import ssl
from typing import Any

import requests
from prometheus_client import parser

from sandbox.scenery import Tenant, wait_for
from staffeln.tests import certificates
from staffeln.tests.functional.notify import mailroom
from staffeln.tests.integration import base
from staffeln.tests.servers import process
from staffeln.tests.servers.switch import Switch

OPERATORS = "ops@cloud.example"

Told = collections.Counter[tuple[str, ...]]
"""How often it was told what became of each task."""


class ReportTest(base.IntegrationTestCase):
    """Two projects with members, a mail server with STARTTLS and a login."""

    def setUp(self) -> None:
        super().setUp()
        self.authority = certificates.Authority(self.make_temp_dir(), "mail")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*self.authority.sign("server"))
        self.mail = mailroom.MailServer(starttls=context, with_login=True)
        self.volumes: dict[str, list[str]] = {}
        """Of each project: one that is fine, one in error, a slow one."""

    def address(self, name: str) -> str:
        return f"{name}-{self.key}@members.example"

    def project(self, name: str) -> Tenant:
        tenant = self.sandbox.project(f"{name} {self.key}")
        boot = tenant.volume("fine")
        server = tenant.server(f"server of {name}", boot, metadata=self.tag)
        more = [tenant.volume(each) for each in ("broken", "slow")]
        for each in more:
            tenant.attach(server, each)
        self.sandbox.admin.block_storage.reset_volume_status(
            more[0], "error", "attached", None
        )
        self.volumes[tenant.id] = [boot, *more]
        return tenant

    def conductor(self, beside: base.Deployment | None) -> base.Deployment:
        shared = {"state_path": beside.directory} if beside else {}
        return self.deployment(
            beside=beside,
            DEFAULT=shared,
            conductor={
                "backup_cycle_timeout": "10s",
                "failure_backoff": "1h",
                "report_period": 15,
            },
            notification={
                "sender_email": mailroom.SENDER,
                "sender_pwd": mailroom.PASSWORD,
                "smtp_login": mailroom.LOGIN,
                "smtp_server_domain": "127.0.0.1",
                "smtp_server_port": self.mail.port,
                "smtp_ca_file": self.authority.file,
                "operator_receiver": OPERATORS,
            },
        )

    def test_each_project_hears_once_of_its_own_tasks(self) -> None:
        """Of those as well that ended while the mail server was down."""
        first, second = self.project("first"), self.project("second")
        members = {
            first.id: [self.address("anna"), self.address("berta")],
            second.id: [self.address("carla")],
        }
        for tenant in (first, second):
            for each in members[tenant.id]:
                tenant.add_member(each)
        first.add_member(self.address("left"), enabled=False)
        self.sandbox.admin.block_storage.update_quota_set(
            first.id, backups=7, backup_gigabytes=5
        )
        slow = [each[-1] for each in self.volumes.values()]
        self.fault("--volume", slow[0], "--volume", slow[1], "--delay", "60")

        one = self.conductor(None)
        other = self.conductor(one)
        one.start()
        self.wait_for_log(one, "This conductor is the scheduler now")
        other.start()
        ended = self.let_all_end(one, slow)
        self.wait_for_log(one, r"was not sent: .* Connection refused")
        self.useFixture(self.mail)
        self.assertEqual(0, one.stop())

        self.wait_until(
            "all have been told",
            lambda: not other.show("task", "list"),
        )
        for tenant in (first, second):
            told = self.messages(members[tenant.id])
            self.assertEqual(
                collections.Counter(
                    _ending(each)
                    for each in ended
                    if each["project_id"] == tenant.id
                ),
                _told(told),
            )
            self.see_the_message(tenant, told[0])
        self.see_true_quotas(first, self.messages(members[first.id])[0])

        backups = other.show("backup", "list")
        self.assertEqual(
            {each[0] for each in self.volumes.values()},
            {each["volume_id"] for each in backups},
        )
        self.wait_until("a summary", lambda: self.messages([OPERATORS]))
        (summary,) = self.messages([OPERATORS])
        self.assertIn("4 of 6 backups failed", summary["Subject"])
        count = len(self.mail.received)
        seen = len(re.findall("Plan in", other.log()))
        self.wait_for_log(other, "Plan in", times=seen + 3)
        self.assertEqual(count, len(self.mail.received))
        self.assertNotIn("Traceback", one.log() + other.log())
        self.assertNotIn(mailroom.PASSWORD, one.log() + other.log())

    def let_all_end(
        self, conductor: base.Deployment, slow: list[str]
    ) -> list[dict[str, Any]]:
        """Until all tasks have ended, and timed out backups are removed."""
        fine, broken = (
            [each[place] for each in self.volumes.values()] for place in (0, 1)
        )
        for each in fine:
            self.wait_for_task(conductor, "succeeded", each)
        for each in (*broken, *slow):
            self.wait_for_task(conductor, "failed", each)
        self.heal()
        for each in slow:
            self.wait_until_gone(conductor, each)

        def look() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = conductor.show("task", "list")
            states = {each["state"] for each in found}
            return found if states <= {"succeeded", "failed"} else []

        ended = wait_for("all tasks end", look)
        self.assertEqual(8, len(ended))
        return ended

    def messages(self, to: list[str]) -> list[Any]:
        """What came for exactly these, oldest first."""
        some = set(to)
        found = [each for each in self.mail.received if some & set(each.to)]
        for each in found:
            self.assertEqual(some, set(each.to))
            self.assertTrue(each.encrypted)
        return [each.message for each in found]

    def see_the_message(self, tenant: Tenant, message: Any) -> None:
        """It tells of this project's volumes, and of nobody else's."""
        self.assertRegex(
            message["Subject"],
            rf"^\[staffeln\] project {tenant.name}: 2 of 3 backups failed",
        )
        for kind in ("plain", "html"):
            content = message.get_body((kind,)).get_content()
            for project, volumes in self.volumes.items():
                check = self.assertIn
                if project != tenant.id:
                    check = self.assertNotIn
                for each in volumes:
                    check(each, content)
            self.assertIn("is in error status", content)
            self.assertIn("timed out: still creating after 10s", content)
            self.assertIn("1 backup removed: unwanted", content)

    def see_true_quotas(self, tenant: Tenant, message: Any) -> None:
        storage = self.sandbox.admin.block_storage
        quotas = storage.get_quota_set(tenant.id, usage=True)
        self.assertEqual(
            (1, 1), (quotas.usage["backups"], quotas.usage["backup_gigabytes"])
        )
        text = message.get_body(("plain",)).get_content()
        self.assertIn("Backups: 1 of 7 (14%)", text)
        self.assertIn("Size of backups: 1 of 5 GiB (20%)", text)


def _ending(task: dict[str, Any]) -> tuple[str, ...]:
    names = ("kind", "state", "volume_id", "backup_id", "server_id", "reason")
    return tuple(str(task[name] or "") for name in names)


def _told(messages: list[Any]) -> Told:
    """What the attached sheets tell of tasks."""
    found: Told = collections.Counter()
    for message in messages:
        (attached,) = message.iter_attachments()
        text = attached.get_payload(decode=True).decode("utf-8-sig")
        for row in csv.DictReader(io.StringIO(text)):
            if row["kind"] != "notice":
                found[_ending({**row, "state": row["outcome"]})] += 1
    return found


class WatchedTest(base.IntegrationTestCase):
    def test_a_conductor_that_stands_still_is_noticed(self) -> None:
        tenant = self.sandbox.project(self.key)
        volume = tenant.volume("v")
        tenant.server("s", volume, metadata=self.tag)
        switch, port = self.useFixture(Switch()), process.free_port()
        conductor = self.deployment(
            metrics={"enabled": True, "port": port, "census_period": 5},
            notification={"heartbeat_url": switch.url},
        )
        self.assertEqual(1, conductor.run("cli", "freshness").returncode)
        conductor.start()
        self.wait_for_task(conductor, "succeeded", volume)
        self.wait_until(
            "all is fresh",
            lambda: not conductor.run("cli", "freshness").returncode,
        )
        self.assertEqual(("/geheim", None), switch.calls.get(timeout=60))
        self.wait_until(
            "a count of the backup",
            lambda: ("staffeln_backups", tenant.id, 1) in _backups(port),
        )
        self.see_calls_and_times(port)

        self.assertEqual(0, conductor.stop())
        called = switch.calls.qsize()
        asked = ("cli", "freshness", "--max-cycle-age", "3s")
        self.wait_until(
            "the missed cycle is seen",
            lambda: conductor.run(*asked).returncode == 1,
        )
        done = conductor.run(*asked)
        self.assertIn("Not fresh: the last complete cycle ended", done.stderr)
        self.assertEqual(called, switch.calls.qsize())
        self.assertNotIn("geheim", conductor.log())

    def see_calls_and_times(self, port: int) -> None:
        """Of each service that was called, and of the last rounds."""
        samples = _samples(port)
        calls = collections.Counter[tuple[str, str]]()
        for each in samples:
            if each.name == "staffeln_openstack_request_seconds_count":
                key = (each.labels["service"], each.labels["method"])
                calls[key] += int(each.value)
        self.assertLessEqual(
            {
                ("block-storage", "GET"),
                ("block-storage", "POST"),
                ("compute", "GET"),
                ("identity", "POST"),
            },
            set(calls),
        )
        self.assertEqual(1, calls["block-storage", "POST"])
        values = {each.name: each.value for each in samples}
        census = values["staffeln_census_timestamp_seconds"]
        for name in ("cycle", "retention"):
            ended = values[f"staffeln_{name}_last_complete_timestamp_seconds"]
            self.assertLess(abs(census - ended), 60)
        self.assertEqual(1, values["staffeln_volumes_selected"])


def _samples(port: int) -> list[Any]:
    answer = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=30)
    answer.raise_for_status()
    families = parser.text_string_to_metric_families(answer.text)
    return [each for family in families for each in family.samples]


def _backups(port: int) -> set[tuple[str, str, float]]:
    return {
        (each.name, each.labels.get("project", ""), each.value)
        for each in _samples(port)
    }
