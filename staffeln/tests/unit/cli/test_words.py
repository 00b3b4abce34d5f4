# SPDX-License-Identifier: Apache-2.0
"""Texts, times and lengths for people."""

from __future__ import annotations

import datetime

from hypothesis import given
from hypothesis import strategies as st

from staffeln.cli import words
from staffeln.tests import base

TIME = datetime.datetime(2026, 3, 1, 2, 3, 4, 5)  # noqa: DTZ001  UTC by rule


class PlainTest(base.TestCase):
    def test_what_a_terminal_obeys_is_shown(self) -> None:
        for text, shown in (
            ("db-1", "db-1"),
            ("日本語 ü", "日本語 ü"),
            ("\x1b[31m", "\\x1b[31m"),
            ("a\nb\rc\td", "a\\nb\\rc\\td"),
            ("\x9b2J", "\\x9b2J"),
            ("\u202egnp", "\\u202egnp"),
            ("\ud800", "\\ud800"),
        ):
            with self.subTest(text.encode("unicode_escape")):
                self.assertEqual(shown, words.plain(text))

    @given(st.text())
    def test_nothing_but_characters_is_left(self, text: str) -> None:
        shown = words.plain(text)
        self.assertTrue(shown.isprintable())
        self.assertEqual(shown, words.plain(shown))


class CutTest(base.TestCase):
    def test_short_texts_stay(self) -> None:
        self.assertEqual("abc", words.cut("abc", 3))
        self.assertEqual("", words.cut("", 0))

    def test_long_ones_say_that_they_were_cut(self) -> None:
        self.assertEqual("ab…", words.cut("abcd", 3))

    def test_wide_characters_take_two_columns(self) -> None:
        self.assertEqual("日…", words.cut("日本語", 4))
        self.assertEqual(6, words.cells("日本語"))

    def test_accents_take_none(self) -> None:
        self.assertEqual("e\u0301e\u0301", words.cut("e\u0301e\u0301", 2))

    @given(st.text(), st.integers(1, 20))
    def test_it_fits(self, text: str, width: int) -> None:
        self.assertLessEqual(words.cells(words.cut(text, width)), width)


class TimeTest(base.TestCase):
    def test_times_are_utc_in_iso(self) -> None:
        self.assertEqual("2026-03-01T02:03:04.000005Z", words.when(TIME))
        self.assertEqual("2026-03-01T02:03:04Z", words.second(TIME))

    def test_lengths_have_two_units(self) -> None:
        for seconds, shown in (
            (0, "0s"),
            (0.9, "0s"),
            (59, "59s"),
            (60, "1min"),
            (61, "1min 1s"),
            (3600, "1h"),
            (3661, "1h 1min"),
            (86400 + 59 * 60, "1d"),
            (400 * 86400 + 7200, "400d 2h"),
            (-90, "-1min 30s"),
            (-0.5, "0s"),
        ):
            with self.subTest(seconds=seconds):
                self.assertEqual(
                    shown, words.length(datetime.timedelta(seconds=seconds))
                )
