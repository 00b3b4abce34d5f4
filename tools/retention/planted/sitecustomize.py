# SPDX-License-Identifier: Apache-2.0
"""Breaks a rule of retention in the process that finds it on its path."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

if os.environ.get("STAFFELN_PLANT_KEEP_LAST"):
    from staffeln.domain import deletion

    deletion._newest = lambda *_: []

if os.environ.get("STAFFELN_PLANT_ORDER"):
    from staffeln.cloud import block_storage
    from staffeln.domain import deletion as order

    judge = order._judge_chains

    def _reckless(*args: Any, **kwargs: Any) -> Any:
        """Nothing holds what it depends on."""
        rows, *rest = args
        for row in rows:
            alone = dataclasses.replace(row, incremental=False)
            yield from judge([alone], *rest, **kwargs)

    order._judge_chains = _reckless
    block_storage._children = lambda *_: ()

if os.environ.get("STAFFELN_PLANT_EXPIRY"):
    from staffeln.domain import durations, retention

    found = retention._duration
    short = durations.Duration(seconds=10)
    retention._duration = lambda *args: found(*args) and short
