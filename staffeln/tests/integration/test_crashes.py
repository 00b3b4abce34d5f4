# SPDX-License-Identifier: Apache-2.0
"""Killed conductors and lost answers: each volume is backed up once."""

from __future__ import annotations

import os
import random
import threading
import time

from testtools import content

from staffeln.tests.integration import base
from staffeln.tests.integration.proxy import Harm, Proxy

VOLUMES = 20
KILLS = 10


class CrashTest(base.IntegrationTestCase):
    def test_killed_ten_times_every_volume_has_one_backup(self) -> None:
        seed = os.environ.get("STAFFELN_SEED", "2")
        dice = random.Random(seed)
        self.addDetail("seed", content.text_content(seed))
        volumes = self._volumes(VOLUMES)
        made = self.deployment()
        for _ in range(KILLS):
            made.start()
            threading.Event().wait(dice.uniform(0.5, 9))
            made.kill()
        made.start()
        self._each_has_one_backup(made, volumes)

    def test_a_lost_answer_is_looked_up_and_adopted(self) -> None:
        volumes = self._volumes(3)
        proxy = self.enterContext(Proxy())
        lost = proxy.harm("POST", "/backups$", Harm.DROP_ANSWER, times=2)
        made = self.deployment({"http_proxy": proxy.url, "no_proxy": ""})
        made.start()
        self._each_has_one_backup(made, volumes)
        self.assertEqual(2, lost.used)
        self.assertEqual(3, len(proxy.calls("POST", "/backups$")))
        self.assertIn("adopted: an attempt had made backup", made.log())

    def test_a_lost_request_is_sent_again_after_the_settle_time(self) -> None:
        volumes = self._volumes(1)
        proxy = self.enterContext(Proxy())
        proxy.harm("POST", "/backups$", Harm.DROP_REQUEST)
        made = self.deployment({"http_proxy": proxy.url, "no_proxy": ""})
        made.start()
        self._each_has_one_backup(made, volumes)
        self.assertEqual(2, len(proxy.calls("POST", "/backups$")))

    def test_killed_after_the_call_the_backup_is_adopted(self) -> None:
        volumes = self._volumes(1)
        proxy = self.enterContext(Proxy())
        made = self.deployment({"http_proxy": proxy.url, "no_proxy": ""})
        proxy.harm("POST", "/backups$", Harm.DROP_ANSWER)
        made.start()
        self.wait_until(
            "the call went out", lambda: proxy.calls("POST", "/backups$")
        )
        made.kill()
        made.start()
        self._each_has_one_backup(made, volumes)
        self.assertEqual(1, len(proxy.calls("POST", "/backups$")))

    def _volumes(self, count: int) -> list[str]:
        tenant = self.sandbox.project(self.key)
        volumes = []
        boot = tenant.volume("disk-0")
        server = tenant.server("s", boot, metadata=self.tag)
        volumes.append(boot)
        for number in range(1, count):
            if number % 5 == 0:
                boot = tenant.volume(f"disk-{number}")
                server = tenant.server("s", boot, metadata=self.tag)
                volumes.append(boot)
                continue
            more = tenant.volume(f"disk-{number}")
            tenant.attach(server, more)
            volumes.append(more)
        return volumes

    def _each_has_one_backup(
        self, made: base.Deployment, volumes: list[str]
    ) -> None:
        began = time.monotonic()
        for volume in volumes:
            left = max(5, 240 - (time.monotonic() - began))
            self.wait_for_backups(volume, "full", limit=left)
            self.wait_for_task(made, "succeeded", volume)
        rows = {
            each["id"]: each
            for each in made.show("backup", "list", "--limit", "1000")
        }
        for volume in volumes:
            (backup,) = self.backups_of(volume)
            self.assertEqual("available", rows[backup["id"]]["state"])
        self.assertEqual(len(volumes), len(rows))
