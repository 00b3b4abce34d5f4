# SPDX-License-Identifier: Apache-2.0
"""How seldom the process that works looks for garbage."""

from __future__ import annotations

import gc
from unittest import mock

from staffeln.conductor import garbage
from staffeln.tests import base


class GarbageTest(base.TestCase):
    def test_what_is_there_is_left_and_the_rest_looked_at_seldom(self) -> None:
        with (
            mock.patch.object(gc, "freeze") as freeze,
            mock.patch.object(gc, "set_threshold") as threshold,
        ):
            garbage.seldom()
        freeze.assert_called_once_with()
        (young, *_older) = threshold.call_args.args
        self.assertGreater(young, gc.get_threshold()[0])
