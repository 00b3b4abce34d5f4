# SPDX-License-Identifier: Apache-2.0
"""Durations: what is read, what it means on a calendar, what is refused."""

import datetime
import re

import hypothesis
from hypothesis import strategies as st

from staffeln.domain import durations, errors
from staffeln.tests import base
from staffeln.tests.unit.domain import samples

UTC = datetime.UTC
FORM = re.compile(
    r"([0-9]+y)?([0-9]+mon)?([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+min)?"
    r"([0-9]+s)?"
)


def at(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)


class ParseTest(base.TestCase):
    def test_every_part(self) -> None:
        self.assertEqual(
            durations.Duration(1, 2, 3, 4, 5, 6, 7),
            durations.parse("1y2mon3w4d5h6min7s"),
        )

    def test_any_part_may_be_left_out(self) -> None:
        self.assertEqual(
            durations.Duration(weeks=2, days=3), durations.parse("2w3d")
        )
        self.assertEqual(
            durations.Duration(months=1, minutes=5),
            durations.parse("1mon5min"),
        )

    def test_white_space_around_it_is_ignored(self) -> None:
        self.assertEqual(
            durations.Duration(days=1), durations.parse(" \t1d\n")
        )

    def test_leading_zeros(self) -> None:
        self.assertEqual(durations.Duration(days=7), durations.parse("007d"))

    def test_refused(self) -> None:
        for text in (
            *("", " ", "d", "1", "1x", "-1d", "+1d", "1.5d", "1 d", "1d 2h"),
            *("1D", "1m", "1month", "1h1d", "1d1d", "1e3s", "0x1d", "1_0d"),
            *("\u0661d", "\uff11d", "\u00b2d", "1d\x00", "1d\n1h", "None"),
        ):
            error = self.assertRaises(
                errors.InvalidDurationError, durations.parse, text
            )
            self.assertIn(repr(text), str(error))

    def test_zero_needs_leave(self) -> None:
        for text in ("0s", "0y0mon0w0d0h0min0s", "000d"):
            self.assertRaises(
                errors.InvalidDurationError, durations.parse, text
            )
            self.assertEqual(
                durations.Duration(), durations.parse(text, zero_allowed=True)
            )

    def test_bound_of_100_years(self) -> None:
        for text in ("100y", "1200mon", "99y12mon", "36525d", "5217w6d"):
            durations.parse(text)
        for text in (
            *("101y", "100y1s", "1201mon", "99y13mon", "36525d1s", "5218w"),
            *("999999999w", "999999999999h", "999999999y", "1200mon1min"),
        ):
            error = self.assertRaises(
                errors.InvalidDurationError, durations.parse, text
            )
            self.assertIn("100 years", str(error))

    def test_a_huge_text_is_shortened_in_the_error(self) -> None:
        for text in ("9" * 10_000 + "s", "9" * 10_000, "z" * 10_000):
            error = self.assertRaises(
                errors.InvalidDurationError, durations.parse, text
            )
            self.assertLess(len(str(error)), 200)

    @hypothesis.given(
        st.text()
        | st.from_regex(FORM, fullmatch=True)
        | st.text(alphabet="0123456789ymonwdhis -+.\u0661\u00b2\uff11")
    )
    def test_any_text_is_read_or_refused_and_nothing_else(
        self, text: str
    ) -> None:
        try:
            duration = durations.parse(text)
        except errors.InvalidDurationError as error:
            self.assertEqual(1, len(str(error).splitlines()))
            return
        self.assertRegex(text.strip(), f"^{FORM.pattern}$")
        self.assertTrue(duration)

    @hypothesis.given(samples.allowed_durations)
    def test_what_is_written_is_read_again(
        self, duration: durations.Duration
    ) -> None:
        self.assertEqual(
            duration, durations.parse(str(duration), zero_allowed=True)
        )


class CalendarTest(base.TestCase):
    def test_month_ends_are_clamped(self) -> None:
        for start, text, end in (
            ("2026-01-31", "1mon", "2026-02-28"),
            ("2028-01-31", "1mon", "2028-02-29"),
            ("2028-02-29", "1y", "2029-02-28"),
            ("2028-02-29", "4y", "2032-02-29"),
            ("2026-03-31", "1mon", "2026-04-30"),
            ("2026-08-31", "6mon", "2027-02-28"),
            ("2026-12-31", "2mon", "2027-02-28"),
            ("2026-10-15", "14mon", "2027-12-15"),
        ):
            self.assertEqual(
                at(end), durations.after(at(start), durations.parse(text))
            )

    def test_calendar_parts_come_first(self) -> None:
        self.assertEqual(
            at("2026-03-01"),
            durations.after(at("2026-01-31"), durations.parse("1mon1d")),
        )

    def test_before_clamps_as_well(self) -> None:
        for end, text, start in (
            ("2026-03-31", "1mon", "2026-02-28"),
            ("2028-02-29", "1y", "2027-02-28"),
            ("2026-01-15", "1mon", "2025-12-15"),
            ("2026-03-02", "1mon1d", "2026-02-01"),
        ):
            self.assertEqual(
                at(start), durations.before(at(end), durations.parse(text))
            )

    def test_fixed_parts(self) -> None:
        self.assertEqual(
            at("2026-01-09T01:01:01"),
            durations.after(at("2026-01-01"), durations.parse("1w1d1h1min1s")),
        )

    def test_the_ends_of_time_hold(self) -> None:
        century = durations.parse("100y")
        fixed = durations.parse("36525d")
        last = datetime.datetime.max  # noqa: DTZ901
        first = datetime.datetime.min  # noqa: DTZ901
        for duration in (century, fixed):
            self.assertEqual(last, durations.after(last, duration))
            self.assertEqual(first, durations.before(first, duration))
            self.assertEqual(
                last.replace(tzinfo=UTC),
                durations.after(last.replace(tzinfo=UTC), duration),
            )
            self.assertEqual(
                first.replace(tzinfo=UTC),
                durations.before(first.replace(tzinfo=UTC), duration),
            )

    def test_zero_in_words(self) -> None:
        self.assertEqual("0s", str(durations.Duration()))
        self.assertFalse(durations.Duration())

    @hypothesis.given(
        samples.moments, samples.moments, samples.allowed_durations
    )
    def test_a_later_start_never_ends_earlier(
        self,
        one: datetime.datetime,
        other: datetime.datetime,
        duration: durations.Duration,
    ) -> None:
        early, late = sorted([one, other])
        for rule in (durations.after, durations.before):
            self.assertLessEqual(rule(early, duration), rule(late, duration))

    @hypothesis.given(
        samples.moments,
        samples.allowed_durations,
        st.sampled_from(
            ["years", "months", "weeks", "days", "hours", "minutes", "seconds"]
        ),
        st.integers(1, 100),
    )
    def test_a_longer_duration_never_ends_earlier(
        self,
        start: datetime.datetime,
        duration: durations.Duration,
        part: str,
        more: int,
    ) -> None:
        longer = durations.Duration(
            **{
                name: getattr(duration, name) + (more if name == part else 0)
                for name in durations.Duration.__dataclass_fields__
            }
        )
        end = durations.after(start, duration)
        self.assertLess(end, durations.after(start, longer))
        self.assertGreaterEqual(end, start)
        # An hour earlier can lead back to the same last day of a shorter
        # month, and then to a later hour of it.
        self.assertLessEqual(
            durations.before(start, longer).date(),
            durations.before(start, duration).date(),
        )

    @hypothesis.given(samples.moments, samples.allowed_durations)
    def test_there_and_back_loses_at_most_the_end_of_a_month(
        self, start: datetime.datetime, duration: durations.Duration
    ) -> None:
        back = durations.before(durations.after(start, duration), duration)
        self.assertLessEqual(back, start)
        self.assertLessEqual(start - back, datetime.timedelta(days=3))

    @hypothesis.given(samples.moments, st.integers(1, 1200))
    def test_months_land_in_their_month(
        self, start: datetime.datetime, months: int
    ) -> None:
        end = durations.after(start, durations.Duration(months=months))
        self.assertEqual(
            months,
            (end.year - start.year) * 12 + end.month - start.month,
        )
        self.assertLessEqual(end.day, start.day)
        self.assertEqual(start.time(), end.time())


class OfTest(base.TestCase):
    def test_in_words(self) -> None:
        for length, text in (
            (datetime.timedelta(), "0s"),
            (datetime.timedelta(days=3), "3d"),
            (datetime.timedelta(hours=36, seconds=61), "1d12h1min1s"),
        ):
            self.assertEqual(text, str(durations.of(length)))

    @hypothesis.given(st.integers(0, 10**11))
    def test_nothing_is_lost(self, seconds: int) -> None:
        length = datetime.timedelta(seconds=seconds)
        self.assertEqual(length, durations.of(length).fixed)
