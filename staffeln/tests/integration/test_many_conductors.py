# SPDX-License-Identifier: Apache-2.0
"""Several conductors of one deployment: one schedules, all work."""

from __future__ import annotations

import contextlib
import re
import signal
import time
from collections.abc import Mapping
from typing import Any

from testtools import content

from staffeln.tests.integration import base
from staffeln.tests.servers import kubernetes

LIMIT = 4
COUNTED = 12.0
"""Seconds for which calls are counted."""


class ManyTest(base.IntegrationTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.tenant = self.sandbox.project(self.key)

    def protect(self, count: int) -> list[str]:
        """So many volumes of one server that is to be backed up."""
        boot = self.tenant.volume("root")
        server = self.tenant.server("s", boot, metadata=self.tag)
        more = [self.tenant.volume(f"d{number}") for number in range(1, count)]
        for each in more:
            self.tenant.attach(server, each)
        return [boot, *more]

    def each_has_one_backup(
        self, one: base.Deployment, volumes: list[str]
    ) -> None:
        for each in volumes:
            self.wait_for_backups(each, "full")
            self.wait_for_task(one, "succeeded", each)
            self.assertEqual(1, len(self.backups_of(each)))


class LeaseTest(ManyTest):
    """With a Lease on a real API server."""

    def setUp(self) -> None:
        super().setUp()
        self.server = kubernetes.shared()
        self.addCleanup(self.server.thaw)
        self.namespace = self.server.make_namespace()
        self.conductors: list[base.Deployment] = []

    def start(self, count: int) -> base.Deployment:
        """So many conductors; returns the first."""
        coordination = {
            "kubeconfig": self.server.kubeconfig(
                self.home / "kubeconfig", self.namespace
            ),
            "lease_duration": 5,
            "lease_renew_deadline": 3,
            "lease_retry_period": 1,
        }
        for _ in range(count):
            first = self.conductors[0] if self.conductors else None
            made = self.deployment(
                beside=first,
                coordination=coordination,
                conductor={"max_running_backups": LIMIT},
            )
            self.conductors.append(made)
            self.conductors[-1].start()
        return self.conductors[0]

    def listed(self) -> list[dict[str, Any]]:
        """All conductors, as an operator sees them."""
        found: list[dict[str, Any]] = self.conductors[0].show(
            "conductor", "list"
        )
        return found

    def leader(self) -> base.Deployment:
        """The one that schedules; waits for it."""
        leaders: list[base.Deployment] = []

        def look() -> bool:
            busy = [each["pid"] for each in self.listed() if scheduler(each)]
            leaders[:] = [
                each
                for each in self.conductors
                if each.running and set(busy) & each.pids()
            ]
            return bool(leaders)

        self.wait_until("somebody schedules", look)
        return leaders[0]

    def test_one_leads_and_when_it_dies_another_does(self) -> None:
        volumes = self.protect(6)
        first = self.start(3)
        leader = self.leader()
        leader.kill()
        self.each_has_one_backup(first, volumes)
        self.conductors.remove(leader)
        self.assertIsNot(leader, self.leader())
        self.wait_until("the dead one is gone", lambda: len(self.listed()) < 3)
        # What is planned from now on was planned by another one.
        late = self.protect(2)
        self.each_has_one_backup(first, late)

    def test_a_frozen_api_server_stops_the_scheduler_and_no_worker(
        self,
    ) -> None:
        volumes = self.protect(2)
        first = self.start(2)
        self.each_has_one_backup(first, volumes)
        leader = self.leader()
        self.server.freeze()
        self.wait_for_log(leader, "not the scheduler any more: not renewed")
        late = self.protect(1)
        time.sleep(4)
        self.assertEqual([], self.backups_of(late[0]))
        self.server.thaw()
        self.each_has_one_backup(first, late)

    def test_a_stopped_scheduler_writes_nothing_when_it_goes_on(self) -> None:
        self.protect(1)
        self.start(2)
        leader = self.leader()
        with contextlib.closing(leader.connect()) as database:
            # Stopped within a transaction it would keep everybody from
            # writing: SQLite has one lock, which it cannot have meanwhile.
            database.execute("BEGIN IMMEDIATE")
            leader.signal(signal.SIGSTOP, to_all=True)
            database.rollback()
        self.conductors.remove(leader)
        other = self.leader()
        leader.signal(signal.SIGCONT, to_all=True)
        self.wait_for_log(leader, "not the scheduler any more")
        late = self.protect(2)
        self.each_has_one_backup(other, late)

    def test_politely_stopped_the_next_one_leads_at_once(self) -> None:
        self.protect(1)
        self.start(2)
        leader = self.leader()
        began = time.monotonic()
        self.assertEqual(0, leader.stop())
        self.conductors.remove(leader)
        self.wait_for_log(self.conductors[0], "is the scheduler now")
        took = time.monotonic() - began
        self.assertNotIn("Traceback", leader.log())
        self.addDetail("took", content.text_content(f"{took:.1f} s"))

    def test_calls_to_the_api_server_do_not_grow_with_the_cloud(self) -> None:
        volumes = self.protect(1)
        first = self.start(2)
        self.each_has_one_backup(first, volumes)
        few = self.calls()
        more = self.protect(12)
        busy = self.calls()
        self.each_has_one_backup(first, more)
        # One call of each conductor in each retry period, jitter apart.
        for count in (few, busy):
            self.assertLessEqual(count, 2 * COUNTED + 4)
            self.assertGreaterEqual(count, COUNTED)

    def calls(self) -> int:
        """Calls to the API server within the time that is counted."""
        before = sum(self.server.requests(self.namespace).values())
        time.sleep(COUNTED)
        return sum(self.server.requests(self.namespace).values()) - before


class LocalLockTest(ManyTest):
    """With the embedded default, which serves one host only."""

    def test_beside_another_host_it_refuses_in_one_line(self) -> None:
        volumes = self.protect(2)
        here = self.deployment(host="here")
        here.start()
        self.each_has_one_backup(here, volumes)
        there = self.deployment(beside=here, host="there")
        there.start()
        self.wait_for_log(there, "does not schedule: conductor .* on here")
        late = self.protect(2)
        self.each_has_one_backup(here, late)
        lines = re.findall(
            r"This conductor does not schedule.*(?= \[req-)", there.log()
        )
        (line,) = set(lines)
        self.assertIn("set [coordination] backend_url", line)
        # It works all the same, and leads once it is alone.
        here.kill()
        self.wait_for_log(there, "is the scheduler now")

    def test_several_on_one_host_share_the_work(self) -> None:
        volumes = self.protect(9)
        shared = self.make_temp_dir()
        limits = {"backup_workers": 1, "max_running_backups": LIMIT}
        first = self.deployment(
            DEFAULT={"state_path": shared}, conductor=limits
        )
        second = self.deployment(
            beside=first, DEFAULT={"state_path": shared}, conductor=limits
        )
        first.start()
        second.start()
        self.each_has_one_backup(first, volumes)
        leading = [
            "is the scheduler now" in each.log() for each in (first, second)
        ]
        self.assertEqual([False, True], sorted(leading))

    def test_what_is_paused_waits(self) -> None:
        volumes = self.protect(2)
        made = self.deployment()
        made.run("cli", "pause", "backups")
        made.start()
        self.wait_for_log(made, "Paused: backups of all are paused", 3)
        self.assertEqual(
            {"planned"}, {each["state"] for each in made.show("task", "list")}
        )
        self.assertEqual([], self.backups_of(volumes[0]))
        made.run("cli", "resume", "backups")
        self.each_has_one_backup(made, volumes)


def scheduler(listed: Mapping[str, Any]) -> bool:
    """Whether a line of the list is that of the scheduler."""
    return listed["scheduler_since"] is not None
