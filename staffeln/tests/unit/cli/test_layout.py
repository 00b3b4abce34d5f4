# SPDX-License-Identifier: Apache-2.0
"""Tables that fit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from staffeln.cli import layout, words
from staffeln.tests import base

NAME = layout.Fitting(least=8)
REASON = layout.Fitting(least=10, wraps=True)


class FitTest(base.TestCase):
    def test_without_a_width_all_stays(self) -> None:
        rows = [["x" * 300, "y"]]
        self.assertEqual(
            rows, layout.fit(["A", "B"], rows, [NAME, layout.WHOLE], None)
        )

    def test_what_fits_stays(self) -> None:
        rows = [["abc", "a reason of words"]]
        self.assertEqual(
            rows, layout.fit(["A", "B"], rows, [NAME, REASON], 80)
        )

    def test_ids_stay_whole_names_are_cut_and_reasons_wrapped(self) -> None:
        (row,) = layout.fit(
            ["ID", "Name", "Reason"],
            [["i" * 36, "n" * 50, "word " * 20]],
            [layout.WHOLE, NAME, REASON],
            80,
        )
        self.assertEqual("i" * 36, row[0])
        self.assertEqual(16, words.cells(row[1]))
        self.assertTrue(row[1].endswith("…"))
        self.assertEqual("word " * 20, " ".join(row[2].split("\n")) + " ")

    def test_a_column_that_needs_little_gets_it(self) -> None:
        (row,) = layout.fit(["A", "B"], [["abc", "x" * 50]], [NAME, NAME], 30)
        self.assertEqual(["abc", "x" * 19 + "…"], row)

    def test_every_line_of_a_cell_is_cut(self) -> None:
        (row,) = layout.fit(["A"], [["x" * 50 + "\nshort"]], [NAME], 14)
        self.assertEqual(["x" * 9 + "…\nshort"], row)

    def test_where_nothing_fits_everybody_keeps_the_least(self) -> None:
        (row,) = layout.fit(
            ["A", "B"], [["i" * 36, "x" * 50]], [layout.WHOLE, NAME], 20
        )
        self.assertEqual(["i" * 36, "x" * 7 + "…"], row)

    @given(
        st.lists(
            st.lists(st.text("ab日 ", max_size=60), min_size=3, max_size=3),
            max_size=4,
        ),
        st.integers(45, 120),
    )
    def test_a_table_is_never_wider(
        self, rows: list[list[str]], width: int
    ) -> None:
        fitted = layout.fit(["A", "B", "C"], rows, [NAME, REASON, NAME], width)
        widest = [
            max((layout._widest(row[index]) for row in fitted), default=0)
            for index in range(3)
        ]
        self.assertLessEqual(sum(widest) + 10, width)

    def test_a_narrow_terminal_has_no_room_for_some(self) -> None:
        wide = layout.Fitting(from_width=100)
        self.assertFalse(wide.has_room(99))
        self.assertTrue(wide.has_room(100))
        self.assertTrue(wide.has_room(None))


class WrappedTest(base.TestCase):
    def test_between_words_where_that_is_possible(self) -> None:
        for text, width, shown in (
            ("", 5, ""),
            ("ab cd ef", 5, "ab cd\nef"),
            ("abcdefg h", 3, "abc\ndef\ng h"),
            ("a abcdef", 3, "a\nabc\ndef"),
            ("日本語", 4, "日本\n語"),
        ):
            with self.subTest(text):
                self.assertEqual(shown, layout.wrapped(text, width))

    def test_every_line_is_indented(self) -> None:
        self.assertEqual("  ab\n  cd", layout.wrapped("ab cd", 5, "  "))

    @given(st.text("ab日 ", max_size=60), st.integers(2, 20))
    def test_nothing_is_lost(self, text: str, width: int) -> None:
        lines = layout.wrapped(text, width).split("\n")
        self.assertLessEqual(max(map(words.cells, lines)), width)
        self.assertEqual(
            "".join(text.split()), "".join(lines).replace(" ", "")
        )
