# SPDX-License-Identifier: Apache-2.0
"""Another time of day for one process, which may change while it runs.

Python imports a module of this name when it starts: put this folder first
on PYTHONPATH. The file that CLOCK_SHIFT_FILE names holds the seconds by
which the clock is ahead. Clocks that only count on are left alone.
"""

from __future__ import annotations

import datetime
import os
import pathlib
import time

_SHIFT = pathlib.Path(os.environ["CLOCK_SHIFT_FILE"])
_datetime = datetime.datetime
_time = time.time


def _ahead() -> float:
    return float(_SHIFT.read_text())


class _AsBefore(type):
    """What was made before, and in C, counts as an instance as well."""

    def __instancecheck__(cls, each: object) -> bool:
        return isinstance(each, _datetime)


class _Shifted(_datetime, metaclass=_AsBefore):
    @classmethod
    def now(  # type: ignore[override]
        cls, tz: datetime.tzinfo | None = None
    ) -> datetime.datetime:
        return _datetime.fromtimestamp(_time() + _ahead(), tz)

    @classmethod
    def utcnow(cls) -> datetime.datetime:  # type: ignore[override]
        return cls.now(datetime.UTC).replace(tzinfo=None)


datetime.datetime = _Shifted  # type: ignore[misc]
time.time = lambda: _time() + _ahead()
