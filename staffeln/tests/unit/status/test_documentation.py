# SPDX-License-Identifier: Apache-2.0
"""What the doctor looks at is what its page says."""

from __future__ import annotations

import pathlib
import re

from staffeln.domain.findings import CHECKS
from staffeln.tests import base

PAGE = pathlib.Path(__file__).parents[4] / "doc/source/operations/doctor.rst"


class PageTest(base.TestCase):
    def test_every_check_is_explained_in_the_order_of_the_list(self) -> None:
        _, _, text = PAGE.read_text().partition("What each check means\n")
        text, _, _ = text.partition("For programs\n")
        named = re.findall(r"^``([a-z-]+)``$", text, re.MULTILINE)
        self.assertEqual(list(CHECKS), named)
