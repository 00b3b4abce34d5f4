# SPDX-License-Identifier: Apache-2.0
"""What setup.cfg names must exist."""

import importlib.metadata

from staffeln.tests import base


class EntryPointTest(base.TestCase):
    def test_every_entry_point_names_something_to_call(self) -> None:
        points = importlib.metadata.distribution("staffeln").entry_points
        self.assertNotEqual(0, len(points))
        for point in points:
            with self.subTest(point.name, group=point.group):
                self.assertTrue(callable(point.load()))
