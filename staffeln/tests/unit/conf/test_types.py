# SPDX-License-Identifier: Apache-2.0
"""Durations and metadata keys as option values."""

import hypothesis
from hypothesis import strategies

from staffeln.conf import types
from staffeln.domain import durations
from staffeln.tests import base


class DurationTest(base.TestCase):
    def test_reads_the_format_of_durations(self) -> None:
        self.assertEqual(
            durations.Duration(weeks=2, days=3), types.Duration()("2w3d")
        )

    def test_takes_what_it_has_made(self) -> None:
        made = types.Duration()("1y")
        self.assertIs(made, types.Duration()(made))

    def test_refuses_years_and_months_where_the_length_is_fixed(self) -> None:
        for text in ("1y", "1mon", "1mon2d"):
            error = self.assertRaises(
                ValueError, types.Duration(fixed=True), text
            )
            self.assertIn("no fixed length", str(error))

    def test_zero_is_good_where_it_is_allowed(self) -> None:
        self.assertRaises(ValueError, types.Duration(), "0s")
        self.assertFalse(types.Duration(zero_allowed=True)("0s"))

    def test_types_with_the_same_rules_are_equal(self) -> None:
        self.assertEqual(types.Duration(), types.Duration())
        self.assertNotEqual(types.Duration(), types.Duration(fixed=True))

    def test_shows_a_default_as_it_is_written(self) -> None:
        self.assertEqual(["2w3d"], types.Duration().format_defaults("2w3d"))

    @hypothesis.given(strategies.text())
    def test_any_text_is_a_duration_or_a_value_error(self, text: str) -> None:
        try:
            made = types.Duration()(text)
        except ValueError as error:
            self.assertEqual(1, len(str(error).splitlines()))
        else:
            self.assertIsInstance(made, durations.Duration)


class MetadataKeyTest(base.TestCase):
    def test_good_keys(self) -> None:
        for key in ("", "__staffeln_backup", "schlüssel", "x" * 255):
            self.assertEqual(key, types.MetadataKey()(key))

    def test_keys_that_nova_would_refuse(self) -> None:
        for key in ("two words", "x" * 256, "a\tb"):
            self.assertRaises(ValueError, types.MetadataKey(), key)
