# SPDX-License-Identifier: Apache-2.0
"""How many calls a cycle and a poll round make, counted on the wire."""

from __future__ import annotations

import math

from staffeln.tests.integration import base
from staffeln.tests.integration.proxy import Call, Proxy

PAGE = 4
SERVERS = 5


class CallTest(base.IntegrationTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.proxy = self.enterContext(Proxy())
        self.through_proxy = {"http_proxy": self.proxy.url, "no_proxy": ""}

    def test_a_cycle_makes_list_calls_only(self) -> None:
        volumes = [
            volume
            for number in range(2)
            for _, volume in self.sandbox.project(
                f"{self.key}-{number}"
            ).servers(SERVERS, self.tag)
        ]
        servers = len(
            list(self.sandbox.admin.compute.servers(all_projects=True))
        )
        all_volumes = len(
            list(self.sandbox.admin.block_storage.volumes(all_projects=True))
        )
        made = self.deployment(
            self.through_proxy,
            openstack={"page_size": PAGE},
            conductor={"backup_service_period": 3600},
        )
        made.start()
        for volume in volumes:
            self.wait_for_backups(volume, "full")
        made.stop()
        lists = self.proxy.calls(
            "GET", r"/(servers/detail|volumes(/detail|/[0-9a-f-]{36}))$"
        )
        # The cycle's own; and retention reads for itself once it finds a
        # backup to look at, which a busy machine may show it here.
        harvests = sum(
            call.path.endswith("/servers/detail")
            and "marker" not in call.query
            for call in lists
        )
        self.assertIn(harvests, (1, 2))
        # One proof of administrator rights belongs to the cycle itself;
        # the start has two more, and each poll round its own.
        bound = math.ceil(servers / PAGE) + math.ceil(all_volumes / PAGE) + 3
        self.assertLessEqual(len(lists) + harvests, harvests * bound)
        proofs = len(self.proxy.calls("GET", "/os-services$"))
        # And so often it is asked how many services may make backups.
        self.assertLessEqual(proofs, 2 * len(self._polls()) + 3)
        posts = self.proxy.calls("POST", "/backups$")
        self.assertEqual(len(volumes), len(posts))
        # One for each project; for the service itself one in the check
        # before the fork, one in the worker's, and one to work with.
        tokens = self.proxy.calls("POST", "/auth/tokens$")
        self.assertLessEqual(len(tokens), 2 + 3)

    def test_a_poll_round_is_bounded(self) -> None:
        """C busy, E of ours ended, N newer: counted on the wire."""
        tenant = self.sandbox.project(self.key)
        volumes = [v for _, v in tenant.servers(2 * SERVERS, self.tag)]
        slow = volumes[: SERVERS + 2]
        self.fault("--delay", "600", *self._among("--volume", slow))
        made = self.deployment(
            self.through_proxy,
            openstack={"page_size": PAGE},
            conductor={
                "backup_service_period": 3600,
                "task_poll_period": 3600,
            },
        )
        made.start()
        # It lists backups as well; once it was done, not again for a day.
        self.wait_for_log(made, "Reconciliation: ")
        fast = volumes[SERVERS + 2 :]
        for volume in fast:
            self.wait_for_backups(volume, "full")
        self.wait_until(
            "all are creating",
            lambda: all(self.backups_of(volume) for volume in slow),
        )
        self._check_round(made, fast, busy=len(slow))
        self.heal()
        for volume in slow:
            self.wait_for_backups(volume, "full")
        self._check_round(made, slow, busy=0)

    def _check_round(
        self, made: base.Deployment, ended: list[str], busy: int
    ) -> None:
        """Start again: a conductor polls first of all what it takes over."""
        made.stop()
        self.proxy.forget()
        made.start()
        for volume in ended:
            self.wait_for_task(made, "succeeded", volume)
        oldest = min(self.backups_of(v)[0]["created_at"] for v in ended)
        since = [
            each
            for each in self.sandbox.backups()
            if each["created_at"] >= oldest
        ]
        newer = sum(each["created_at"] > oldest for each in since)
        # Where others lie between ours a page may show none of ours, and
        # nobody knows so before it was read.
        between = any(each["volume_id"] not in ended for each in since)
        (calls,) = self._polls()
        bound = (
            math.ceil(busy / PAGE)
            + min(len(ended), math.ceil(newer / PAGE))
            + 2
            + between
        )
        self.assertLessEqual(len(calls), bound, calls)

    @staticmethod
    def _among(option: str, values: list[str]) -> list[str]:
        return [word for value in values for word in (option, value)]

    def _polls(self) -> list[list[Call]]:
        """The calls of each poll round: proof, busy list, and the ended.

        Retention asks for one row of ``/backups``, for Cinder's clock.
        """
        rounds: list[list[Call]] = []
        for call in self.proxy.calls("GET", "/(os-services|backups/.+)$"):
            if call.path.endswith("/os-services"):
                rounds.append([])
            if rounds:
                rounds[-1].append(call)
        return [each for each in rounds if len(each) > 1]
