# SPDX-License-Identifier: Apache-2.0
"""Durations such as ``1y2mon3w4d5h6min7s`` and what they mean in time.

The format is that of option values and of server metadata:
``<YEARS>y<MONTHS>mon<WEEKS>w<DAYS>d<HOURS>h<MINUTES>min<SECONDS>s``; any
part may be left out, the order is fixed. Years and months follow the
calendar in UTC with the end of the month clamped (31 January plus one month
is the last day of February); all other parts have a fixed length.
"""

from __future__ import annotations

import calendar
import dataclasses
import datetime
import functools
import re

from staffeln.domain import errors

LONGEST_YEARS = 100
"""A duration may not be longer than this many calendar years."""

_PATTERN = re.compile(
    r"(?:(?P<years>[0-9]{1,9})y)?"
    r"(?:(?P<months>[0-9]{1,9})mon)?"
    r"(?:(?P<weeks>[0-9]{1,9})w)?"
    r"(?:(?P<days>[0-9]{1,9})d)?"
    r"(?:(?P<hours>[0-9]{1,12})h)?"
    r"(?:(?P<minutes>[0-9]{1,12})min)?"
    r"(?:(?P<seconds>[0-9]{1,12})s)?"
)
_UNITS = (
    ("years", "y"),
    ("months", "mon"),
    ("weeks", "w"),
    ("days", "d"),
    ("hours", "h"),
    ("minutes", "min"),
    ("seconds", "s"),
)
_DAYS_OF_100_YEARS = 36525
_DAYS_OF_ANY_MONTH = 28


@dataclasses.dataclass(frozen=True, slots=True)
class Duration:
    """A length of time, part of it in calendar months and years."""

    years: int = 0
    months: int = 0
    weeks: int = 0
    days: int = 0
    hours: int = 0
    minutes: int = 0
    seconds: int = 0

    def __str__(self) -> str:
        parts = [
            f"{getattr(self, name)}{unit}"
            for name, unit in _UNITS
            if getattr(self, name)
        ]
        return "".join(parts) or "0s"

    def __bool__(self) -> bool:
        return self != Duration()

    @property
    def calendar_months(self) -> int:
        """Years and months together, in months."""
        return self.years * 12 + self.months

    @property
    def fixed(self) -> datetime.timedelta:
        """The parts that have a fixed length: weeks to seconds."""
        return datetime.timedelta(
            weeks=self.weeks,
            days=self.days,
            hours=self.hours,
            minutes=self.minutes,
            seconds=self.seconds,
        )


def of(length: datetime.timedelta) -> Duration:
    """A fixed length in days, hours, minutes and whole seconds."""
    minutes, seconds = divmod(length.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return Duration(
        days=length.days, hours=hours, minutes=minutes, seconds=seconds
    )


def parse(text: str, *, zero_allowed: bool = False) -> Duration:
    """Read a duration.

    :param text: such as ``2w3d``; white space around it is ignored.
    :param zero_allowed: whether ``0s`` and the like are good.
    :raises InvalidDurationError: the text is empty, has another form, is
        zero where that is not allowed, or is longer than 100 years.
    """
    stripped = text.strip()
    match = _PATTERN.fullmatch(stripped)
    if match is None or not stripped:
        raise errors.InvalidDurationError(
            f"{text[:60]!r} is not a duration such as 1y2mon3w4d5h6min7s"
        )
    duration = Duration(
        **{name: int(value or 0) for name, value in match.groupdict().items()}
    )
    if _longer_than_allowed(duration):
        raise errors.InvalidDurationError(
            f"{text[:60]!r} is longer than {LONGEST_YEARS} years"
        )
    if not duration and not zero_allowed:
        raise errors.InvalidDurationError(
            f"{text[:60]!r} is zero; a duration of at least 1s is needed"
        )
    return duration


def _longer_than_allowed(duration: Duration) -> bool:
    if duration.calendar_months > LONGEST_YEARS * 12:
        return True
    try:
        fixed = duration.fixed
    except OverflowError:
        return True
    # 30.44 days are a month on average: only the bound of the sum of both
    # kinds of parts needs a guess, and it decides nothing but "too long".
    left = LONGEST_YEARS * 12 - duration.calendar_months
    return fixed > datetime.timedelta(days=_DAYS_OF_100_YEARS * left / 1200)


@functools.lru_cache(maxsize=1024)
def _parts(duration: Duration) -> tuple[int, datetime.timedelta]:
    """The calendar months, and the fixed parts.

    :raises OverflowError: they are longer than a timedelta can be.
    """
    return duration.calendar_months, duration.fixed


def after(start: datetime.datetime, duration: Duration) -> datetime.datetime:
    """The time that lies ``duration`` after ``start``.

    Calendar parts first, then the fixed ones. A time past the last one
    that a datetime can hold becomes that last one.
    """
    try:
        months, fixed = _parts(duration)
        return (_add_months(start, months) if months else start) + fixed
    except (OverflowError, ValueError):
        return datetime.datetime.max.replace(tzinfo=start.tzinfo)


def before(end: datetime.datetime, duration: Duration) -> datetime.datetime:
    """The time that lies ``duration`` before ``end``.

    Fixed parts first, then the calendar ones. A time before the first one
    that a datetime can hold becomes that first one.
    """
    try:
        return _add_months(end - duration.fixed, -duration.calendar_months)
    except (OverflowError, ValueError):
        return datetime.datetime.min.replace(tzinfo=end.tzinfo)


_YEAR = datetime.datetime(2000, 1, 1)  # noqa: DTZ001  only compares lengths


def reach(duration: Duration) -> datetime.datetime:
    """How far a duration reaches: what lengths are compared by.

    Counted from the first day of a leap year, for a month has no length of
    its own: 1mon is longer than 30d and as long as 31d.
    """
    return after(_YEAR, duration)


@functools.lru_cache(maxsize=1024)
def longest(*candidates: Duration) -> Duration:
    """The longest of some durations; of equally long ones the first."""
    return max(candidates, key=reach)


def _add_months(when: datetime.datetime, months: int) -> datetime.datetime:
    index = when.year * 12 + when.month - 1 + months
    year, month = divmod(index, 12)
    if not datetime.MINYEAR <= year <= datetime.MAXYEAR:
        raise OverflowError("year out of range")
    day = when.day
    if day > _DAYS_OF_ANY_MONTH:
        day = min(day, calendar.monthrange(year, month + 1)[1])
    return when.replace(year=year, month=month + 1, day=day)
