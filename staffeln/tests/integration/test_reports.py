# SPDX-License-Identifier: Apache-2.0
"""What people hear: reports by mail, metrics, and the signs of life."""

from __future__ import annotations

import collections
import csv
import io
import re
import signal
import ssl
import time
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

ENDED = {"succeeded", "failed"}

Task = dict[str, Any]

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

    def conductor(
        self, beside: base.Deployment | None = None, **options: object
    ) -> base.Deployment:
        groups = self.options(**options)
        return self.deployment(
            beside=beside,
            conductor=groups["conductor"],
            notification=groups["notification"],
        )

    def options(self, **conductor: object) -> dict[str, dict[str, object]]:
        return {
            "conductor": {
                "backup_metadata_key": self.key,
                "failure_backoff": "3s",
                "report_period": 3600,
                **conductor,
            },
            "notification": {
                "sender_email": mailroom.SENDER,
                "sender_pwd": mailroom.PASSWORD,
                "smtp_login": mailroom.LOGIN,
                "smtp_server_domain": "127.0.0.1",
                "smtp_server_port": self.mail.port,
                "smtp_ca_file": self.authority.file,
                "operator_receiver": OPERATORS,
            },
        }

    def test_each_project_hears_once_of_its_own_tasks(self) -> None:
        """They ended while the mail server was down."""
        first, second = self.project("first"), self.project("second")
        members = {
            first: [self.address("anna"), self.address("berta")],
            second: [self.address("carla")],
        }
        for tenant, addresses in members.items():
            for each in addresses:
                tenant.add_member(each)
        first.add_member(self.address("left"), enabled=False)
        self.sandbox.admin.block_storage.update_quota_set(
            first.id, backups=7, backup_gigabytes=5
        )
        one = self.conductor()
        ended = self.make_tasks_end(one)
        # Due now, and not yet so late that it goes to the operators.
        period = int(max(each["age"] for each in ended)) - 1
        self.change(one, report_period=period)
        self.wait_for_log(one, r"Report .* was not sent: .* refused")
        self.wait_for_log(one, r"1 report\(s\) were not sent: .* refused")
        self.assertEqual(_endings(ended), _endings(self.tasks(one)))

        self.useFixture(self.mail)
        self.assertEqual(0, one.stop())
        other = self.conductor(one, report_period=period)
        other.start()
        ids = {each["id"] for each in ended}
        self.wait_until(
            "all are told and purged",
            lambda: not ids & {each["id"] for each in self.tasks(other)},
        )
        for tenant, addresses in members.items():
            message = self.messages(addresses)[0]
            its = [each for each in ended if each["project_id"] == tenant.id]
            self.assertEqual(_endings(its), _told(message))
            self.see_the_message(tenant, message, its)
        self.see_true_quotas(first, self.messages(members[first])[0])
        self.see_it_end(other)
        for addresses in members.values():
            self.see_nothing_told_again(self.messages(addresses))
        self.assertNotIn("Traceback", one.log() + other.log())
        self.assertNotIn(mailroom.PASSWORD, one.log() + other.log())

    def make_tasks_end(self, conductor: base.Deployment) -> list[Task]:
        """Backups that succeed, fail and time out; all tasks of them."""
        fine, broken, slow = zip(*self.volumes.values(), strict=True)
        self.fault("--volume", slow[0], "--volume", slow[1], "--delay", "300")
        conductor.start()
        for each in fine:
            self.wait_for_backups(each, "full")
        for each in broken:
            self.wait_for_task(conductor, "failed", each)
        for each in slow:
            self.wait_for_task(conductor, "running", each)
        self.change(conductor, backup_cycle_timeout="2s")
        for each in slow:
            self.wait_for_task(conductor, "failed", each)
        self.heal()
        self.change(conductor)

        def look() -> list[Task]:
            found = self.tasks(conductor)
            backups = conductor.show("backup", "list")
            made = sorted(each["volume_id"] for each in backups)
            states = {each["state"] for each in found}
            rests = made == sorted((*fine, *slow)) and states <= ENDED
            # The deletes as well of what timed out.
            return found if rests and len(found) >= 10 else []

        return wait_for("all tasks end", look, pause=0.5)

    def tasks(self, conductor: base.Deployment) -> list[Task]:
        found: list[Task] = conductor.show("task", "list")
        return found

    def change(self, conductor: base.Deployment, **options: object) -> None:
        """Have it obey other options."""
        conductor.configure(self.options(**options))
        conductor.signal(signal.SIGHUP)

    def see_it_end(self, conductor: base.Deployment) -> None:
        """The operators have a summary, and backups stay."""
        self.wait_until("a summary", lambda: self.messages([OPERATORS]))
        (summary,) = self.messages([OPERATORS])
        self.assertRegex(summary["Subject"], r"^\[staffeln\] summary: \d+ of")
        seen = len(re.findall("Plan in", conductor.log()))
        self.wait_for_log(conductor, "Plan in", times=seen + 3)
        self.assertEqual(4, len(conductor.show("backup", "list")))

    def see_nothing_told_again(self, messages: list[Any]) -> None:
        """But that a volume in error fails anew when that was told."""
        broken = {each[1] for each in self.volumes.values()}
        for message in messages[1:]:
            for _, state, volume_id, *_ in _told(message):
                self.assertEqual("failed", state)
                self.assertIn(volume_id, broken)

    def messages(self, to: list[str]) -> list[Any]:
        """What came for exactly these, oldest first."""
        some = set(to)
        found = [each for each in self.mail.received if some & set(each.to)]
        for each in found:
            self.assertEqual(some, set(each.to))
            self.assertTrue(each.encrypted)
        return [each.message for each in found]

    def see_the_message(
        self, tenant: Tenant, message: Any, tasks: list[Task]
    ) -> None:
        """It tells of this project's volumes, and of nobody else's."""
        backups = [each["state"] for each in tasks if each["kind"] == "backup"]
        failed = backups.count("failed")
        self.assertEqual(
            f"[staffeln] project {tenant.name}: {failed} of {len(backups)} "
            "backups failed, 1 volume unprotected",
            message["Subject"],
        )
        for kind in ("plain", "html"):
            content = message.get_body((kind,)).get_content()
            for project, volumes in self.volumes.items():
                for each in volumes:
                    self.assertEqual(project == tenant.id, each in content)
            self.assertIn("is in error status", content)
            self.assertIn("timed out: still creating after 2s", content)
            self.assertIn("1 backup removed: ", content)

    def see_true_quotas(self, tenant: Tenant, message: Any) -> None:
        storage = self.sandbox.admin.block_storage
        used = storage.get_quota_set(tenant.id, usage=True).usage
        self.assertEqual((2, 2), (used["backups"], used["backup_gigabytes"]))
        text = message.get_body(("plain",)).get_content()
        self.assertIn("Backups: 2 of 7 (28%)", text)
        self.assertIn("Size of backups: 2 of 5 GiB (40%)", text)


def _ending(task: Task) -> tuple[str, ...]:
    names = ("kind", "state", "volume_id", "backup_id", "server_id", "reason")
    return tuple(str(task[name] or "") for name in names)


def _endings(tasks: list[Task]) -> Told:
    return collections.Counter(map(_ending, tasks))


def _told(message: Any) -> Told:
    """What the attached sheet tells of tasks."""
    (attached,) = message.iter_attachments()
    text = attached.get_payload(decode=True).decode("utf-8-sig")
    return _endings(
        [
            {**row, "state": row["outcome"]}
            for row in csv.DictReader(io.StringIO(text))
            if row["kind"] != "notice"
        ]
    )


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
        fresh_at = time.time()
        self.wait_until(
            "another count",
            lambda: (
                _values(port)["staffeln_census_timestamp_seconds"] > fresh_at
            ),
        )
        self.see_calls_and_times(port, tenant)

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

    def see_calls_and_times(self, port: int, tenant: Tenant) -> None:
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
        backups = {
            each.labels["project"]: each.value
            for each in samples
            if each.name == "staffeln_backups"
        }
        self.assertEqual({tenant.id: 1}, backups)
        values = _values(port)
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


def _values(port: int) -> dict[str, float]:
    """Of those without labels, by their names."""
    return {each.name: each.value for each in _samples(port)}
