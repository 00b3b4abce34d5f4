# SPDX-License-Identifier: Apache-2.0
"""A short chaos run; ``tools/chaos.sh`` is the long one."""

from __future__ import annotations

import os

from testtools import content

from staffeln.tests.integration import base
from tools.chaos import run, world

SECONDS = 75
VOLUMES = 18


class ChaosTest(base.IntegrationTestCase):
    def test_nothing_is_made_twice_lost_or_forgotten(self) -> None:
        seed = os.environ.get("STAFFELN_SEED", "3")
        lines: list[str] = []
        here = world.World(
            self.make_temp_dir(), self.sandbox, base.place(), seed=seed
        )
        self.addCleanup(here.close)
        for each in here.conductors:
            self.show_log_of(each)
        self.addOnException(
            lambda _: self.addDetail(
                "chaos", content.text_content("\n".join(lines))
            )
        )
        scene = here.make_scene(3, VOLUMES)
        story = run.Run(here, scene, seed=seed, tell=lines.append).run(
            SECONDS, stop_at_violation=False
        )
        lines.append(run.table(story))
        self.assertEqual([], story.violations)
        self.assertGreater(story.struck.total(), 8)
        self.assertGreater(int(str(story.figures["terms"])), 1)
