# SPDX-License-Identifier: Apache-2.0
"""How many calls a cycle and a poll round make, counted on the wire."""

from __future__ import annotations

import math
import re

from staffeln.tests.integration import base
from staffeln.tests.integration.proxy import Call, Proxy

PAGE = 3
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
        lists = [
            call
            for call in self.proxy.calls("GET")
            if re.search(
                r"/(servers/detail|volumes(/detail|/[0-9a-f-]{36})|"
                r"os-services)$",
                call.path,
            )
        ]
        proofs = len(self.proxy.calls("GET", "/os-services$"))
        # The start and each poll round prove their rights by themselves.
        polls = len(self._polls())
        bound = math.ceil(servers / PAGE) + math.ceil(all_volumes / PAGE) + 3
        self.assertLessEqual(len(lists) - proofs + 1, bound)
        self.assertLessEqual(proofs, polls + 2)
        posts = self.proxy.calls("POST", "/backups$")
        self.assertEqual(len(volumes), len(posts))
        tokens = self.proxy.calls("POST", "/auth/tokens$")
        self.assertLessEqual(len(tokens), 2 + 2)

    def test_a_poll_round_is_bounded(self) -> None:
        tenant = self.sandbox.project(self.key)
        volumes = [v for _, v in tenant.servers(2 * SERVERS, self.tag)]
        slow = volumes[: SERVERS + 2]
        self.fault("--delay", "12", *self._among("--volume", slow))
        made = self.deployment(
            self.through_proxy,
            openstack={"page_size": PAGE},
            conductor={
                "backup_service_period": 3600,
                "task_poll_period": 4,
            },
        )
        made.start()
        for volume in volumes:
            self.wait_for_backups(volume, "full")
            self.wait_for_task(made, "succeeded", volume)
        made.stop()
        total = len(volumes)
        for round_ in self._polls():
            busy = len([c for c in round_ if "status=creating" in c.query])
            rest = len(round_) - busy
            bound = min(total, math.ceil(total / PAGE)) + 2
            self.assertLessEqual(busy, math.ceil(len(slow) / PAGE) + 2)
            self.assertLessEqual(rest, bound, round_)

    @staticmethod
    def _among(option: str, values: list[str]) -> list[str]:
        return [word for value in values for word in (option, value)]

    def _polls(self) -> list[list[Call]]:
        """The calls of each poll round: proof, busy list, and the ended."""
        rounds: list[list[Call]] = []
        for call in self.proxy.calls("GET", "/(os-services|backups.*)$"):
            if call.path.endswith("/os-services"):
                rounds.append([])
            if rounds:
                rounds[-1].append(call)
        return [each for each in rounds if len(each) > 1]
