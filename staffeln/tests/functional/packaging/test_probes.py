# SPDX-License-Identifier: Apache-2.0
"""The probes of the conductors' pods, with a conductor."""

from __future__ import annotations

import os
import pathlib
import subprocess

from staffeln.tests.functional.service import running
from staffeln.tests.unit.packaging import manifests


class ProbeTest(running.ServiceCase):
    def setUp(self) -> None:
        super().setUp()
        self.alive = self.home / "alive"
        self.made = self.deployment(conductor={"alive_file": str(self.alive)})
        self.make_schema(self.made)

    def passes(self, probe: str) -> bool:
        """Whether a probe of the manifests does, on this host's path."""
        pod = manifests.one("Deployment", "staffeln-conductor")
        command = manifests.container(pod)[probe]["exec"]["command"]
        done = subprocess.run(
            [
                word.replace("/var/lib/staffeln/alive", str(self.alive))
                for word in command
            ],
            capture_output=True,
            check=False,
        )
        return done.returncode == 0

    def both(self) -> tuple[bool, bool]:
        """Whether it lives, and whether it is ready."""
        return self.passes("livenessProbe"), self.passes("readinessProbe")

    def test_a_conductor_lives_and_is_ready(self) -> None:
        self.assertEqual((False, False), self.both())
        self.made.start("conductor")
        self.made.wait_for_log("conductor", "is up")
        self.assertEqual((True, True), self.both())
        self.assertEqual(0, self.made.stop("conductor"))
        self.assertEqual((False, False), self.both())

    def test_it_lives_without_a_cloud_and_is_not_ready(self) -> None:
        clouds = pathlib.Path(self.made.configuration).with_name("clouds.yaml")
        text = clouds.read_text().replace(
            self.cloud.auth_url, "http://127.0.0.1:9/v3"
        )
        clouds.write_text(text)
        self.made.start("conductor")
        self.made.wait_for_log("conductor", "Reaching the cloud failed")
        self.assertEqual((True, False), self.both())

    def test_one_that_does_not_turn_is_dead(self) -> None:
        self.alive.write_text("working\n")
        self.assertEqual((True, True), self.both())
        past = self.alive.stat().st_mtime - 11 * 60
        os.utime(self.alive, (past, past))
        self.assertFalse(self.passes("livenessProbe"))
