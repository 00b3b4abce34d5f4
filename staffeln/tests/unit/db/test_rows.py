# SPDX-License-Identifier: Apache-2.0
"""Texts as every database takes them; ids in lists that fit."""

from __future__ import annotations

import hypothesis
from hypothesis import strategies

from staffeln.db import history, rows
from staffeln.tests import base


class StorableTest(base.TestCase):
    def test_good_texts_stay(self) -> None:
        for text in ("", "vm-1", "Bäckup 📦 <b>'\"\n%s;", "é" * 255):
            self.assertEqual(text, rows.storable("volume_name", text))

    def test_long_texts_are_cut(self) -> None:
        self.assertEqual("n" * 255, rows.storable("server_name", "n" * 999))
        self.assertEqual(4000, len(rows.storable("reason", "𝄞" * 9999)))

    @hypothesis.given(strategies.text(strategies.characters()))
    def test_any_text_can_be_sent(self, text: str) -> None:
        found = rows.storable("volume_name", text)
        found.encode("utf-8")
        self.assertNotIn("\0", found)
        self.assertEqual(found, rows.storable("volume_name", found))


class ChunksTest(base.TestCase):
    @hypothesis.given(strategies.integers(0, 3 * history.CHUNK))
    def test_each_id_is_in_one_list(self, count: int) -> None:
        ids = [str(number) for number in range(count)]
        found = list(history.chunks(ids))
        self.assertEqual(ids, [each for chunk in found for each in chunk])
        for chunk in found:
            self.assertIn(len(chunk), range(1, history.CHUNK + 1))
