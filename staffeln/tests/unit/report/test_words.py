# SPDX-License-Identifier: Apache-2.0
import datetime

from hypothesis import given
from hypothesis import strategies as st

from staffeln.report import words
from staffeln.tests import base


class WordsTest(base.TestCase):
    def test_nothing_is_obeyed(self) -> None:
        self.assertEqual(
            "a\\r\\nb\\x1b[0m\\u202ec\\x00\\ud83d",
            words.shown("a\r\nb\x1b[0m\u202ec\x00\ud83d"),
        )

    def test_scripts_and_emoji_stay(self) -> None:
        for name in (
            "שלום",
            "क\u094d\u200dष",
            "👩\u200d👧",
            "Größe ½",
            "备份",
        ):
            self.assertEqual(name, words.shown(name))

    def test_all_kinds_of_spaces_are_one(self) -> None:
        self.assertEqual("备份 一", words.shown("备份\u3000一"))
        self.assertEqual("Nº 1 000", words.shown("Nº\xa01\u202f000"))

    def test_what_is_too_long_is_cut(self) -> None:
        self.assertEqual("n" * 99 + "…", words.shown("n" * 101))
        self.assertEqual("n" * 100, words.shown("n" * 100))
        self.assertEqual("n" * 255, words.shown("n" * 255, None))

    @given(st.text(), st.booleans())
    def test_a_reason_is_one_line(self, text: str, detailed: bool) -> None:
        said = words.reason(text, detailed=detailed)
        self.assertLessEqual(len(said.splitlines()), 1)

    def test_lengths(self) -> None:
        for seconds, said in {
            -1: "0 s",
            0: "0 s",
            59: "59 s",
            60: "1 min",
            61: "1 min 1 s",
            3600: "1 h",
            7500: "2 h 5 min",
            90000: "1 d 1 h",
        }.items():
            length = datetime.timedelta(seconds=seconds)
            self.assertEqual(said, words.length(length))

    def test_counts(self) -> None:
        self.assertEqual("1 backup", words.count(1, "backup"))
        self.assertEqual("1,200 backups", words.count(1200, "backup"))

    def test_times(self) -> None:
        time = datetime.datetime(2026, 1, 2, 3, 4, 5, 6)  # noqa: DTZ001
        self.assertEqual("2026-01-02 03:04", words.minute(time))
        self.assertEqual("2026-01-02T03:04:05Z", words.second(time))
