# SPDX-License-Identifier: Apache-2.0
"""What goes into the image, and what must not."""

from __future__ import annotations

from staffeln.tests import base
from staffeln.tests.unit.packaging import manifests


class ImageTest(base.TestCase):
    def test_nothing_goes_in_that_may_be_an_operators(self) -> None:
        """Their secret.yaml or staffeln.conf lies in etc, where it does."""
        for name in manifests.copied():
            self.assertTrue((manifests.ROOT / name).exists(), name)
            self.assertNotIn(name.split("/")[0], ("", ".", "*", "etc"))

    def test_what_is_not_copied_is_not_sent(self) -> None:
        lines = (manifests.ROOT / ".containerignore").read_text().splitlines()
        self.assertEqual("*", lines[1])
        self.assertEqual(
            sorted(f"!{name}" for name in manifests.copied()),
            sorted(line for line in lines if line.startswith("!")),
        )
