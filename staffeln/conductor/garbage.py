# SPDX-License-Identifier: Apache-2.0
"""How seldom the process that works looks for garbage.

Rows and pages are freed as soon as nobody refers to them, without that.
Python's own values let it look through all that is there, again and again,
while many rows are read: a tenth of the CPU of a large round.
"""

from __future__ import annotations

import gc

_THRESHOLDS = (20_000, 10, 10)
"""Objects more than were freed until it looks at the young ones, and how
many times more seldom at older ones."""


def seldom() -> None:
    """Never look at what is there already, and at the rest more seldom."""
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
