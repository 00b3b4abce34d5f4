# SPDX-License-Identifier: Apache-2.0
"""Reasons, counted: those that differ by a time or an id alone are one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

_TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ"
_ID = r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
_OWN = re.compile(
    rf",? (?:next try at|until|of|at) {_TIME}| {_TIME}| {_ID}"
    r"|(?<=after the full) of .*"
)
"""What of a reason is one volume's own."""


def alike(why: str) -> str:
    """A reason without what is one volume's own in it."""
    return _OWN.sub("", why)


def counted(reasons: Iterable[str], most: int) -> str:
    """Reasons with how many have each, the most frequent first.

    :param most: how many are named; the others are one number.
    """
    counts = Counter(map(alike, reasons))
    named = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    parts = [f"{number} x {why}" for why, number in named[:most]]
    others = sum(number for _, number in named[most:])
    if others:
        parts.append(f"{others} x something else")
    return ", ".join(parts)
