# SPDX-License-Identifier: Apache-2.0
"""The file that tells probes whether a conductor turns."""

from __future__ import annotations

import os

from staffeln.conductor import pulse
from staffeln.conductor.pulse import Stage
from staffeln.tests import base


class PulseTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.now = 1000.0
        self.path = self.home / "alive"
        self.pulse = pulse.Pulse(str(self.path), clock=lambda: self.now)

    def beats(self, stage: Stage = Stage.WORKING) -> bool:
        """Whether a look makes an old file new."""
        self.path.write_text("old\n")
        os.utime(self.path, (0, 0))
        self.pulse.beat(stage)
        return self.path.stat().st_mtime > 0

    def test_the_file_says_how_far_it_has_come(self) -> None:
        for stage in Stage:
            self.assertTrue(self.beats(stage))
            self.assertEqual(f"{stage.value}\n", self.path.read_text())
        self.assertEqual([self.path], list(self.home.iterdir()))

    def test_a_turn_that_takes_too_long_is_told_once(self) -> None:
        def turn() -> float:
            self.now += 5
            found.append(self.beats())
            self.now += 0.5
            found.append(self.beats())
            found.append(self.beats())
            return 7.0

        found: list[bool] = []
        watched = self.pulse.watched("Work", turn, 5)
        self.assertTrue(self.beats())
        self.assertEqual(7.0, watched())
        self.assertEqual([True, False, False], found)
        self.assertEqual(1, self.log.output.count("Work: a turn takes"))
        self.now += 100
        self.assertTrue(self.beats())

    def test_a_turn_that_fails_is_a_turn(self) -> None:
        def turn() -> float:
            raise ValueError

        watched = self.pulse.watched("Heartbeat", turn, 5)
        self.assertRaises(ValueError, watched)
        self.now += 100
        self.assertTrue(self.beats())

    def test_a_file_that_cannot_be_written_is_one_warning(self) -> None:
        unwritable = pulse.Pulse(str(self.home / "none" / "alive"))
        unwritable.beat(Stage.WORKING)
        unwritable.beat(Stage.WORKING)
        self.assertEqual(1, self.log.output.count("alive_file: "))

    def test_the_end_leaves_no_file(self) -> None:
        self.pulse.beat(Stage.WORKING)
        self.pulse.end()
        self.pulse.end()
        self.assertEqual([], list(self.home.iterdir()))

    def test_without_a_path_nothing_is_written(self) -> None:
        nobody = pulse.Pulse("")
        nobody.beat(Stage.STARTING)
        nobody.end()
        self.assertEqual([], list(self.home.iterdir()))
