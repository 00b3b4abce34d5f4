# SPDX-License-Identifier: Apache-2.0
"""Names and metadata of backups, however users name their things."""

import hypothesis
from hypothesis import strategies as st

from staffeln.domain import naming
from staffeln.tests import base
from staffeln.tests.unit.domain import samples

STAMP = "20260331T020000Z"
names = st.text(max_size=300) | st.text(
    alphabet="aé\u0301\U0001f600\u200d\u4e2d_ ", max_size=300
)


def named(server: str, volume: str) -> str:
    return naming.backup_name(server, volume, "volume-id", samples.NOW)


class NameTest(base.TestCase):
    def test_the_form(self) -> None:
        self.assertEqual(f"web_data_{STAMP}", named("web", "data"))

    def test_a_volume_without_a_name_uses_its_id(self) -> None:
        self.assertEqual(f"web_volume-id_{STAMP}", named("web", ""))

    def test_a_server_without_a_name(self) -> None:
        self.assertEqual(f"_data_{STAMP}", named("", "data"))

    def test_the_volume_is_cut_first(self) -> None:
        name = named("s" * 100, "v" * 255)
        self.assertEqual(255, len(name))
        self.assertEqual("s" * 100 + "_" + "v" * 137 + f"_{STAMP}", name)

    def test_then_the_server(self) -> None:
        self.assertEqual(
            "s" * 236 + f"_v_{STAMP}", named("s" * 255, "v" * 255)
        )

    def test_exactly_255_are_not_cut(self) -> None:
        name = named("s" * 137, "v" * 100)
        self.assertEqual("s" * 137 + "_" + "v" * 100 + f"_{STAMP}", name)
        self.assertEqual(255, len(name))

    @hypothesis.given(names, names, samples.moments)
    def test_any_names(self, server: str, volume: str, when: object) -> None:
        name = naming.backup_name(server, volume, "volume-id", when)  # type: ignore[arg-type]
        self.assertLessEqual(len(name), 255)
        self.assertRegex(name, r"_\d{8}T\d{6}Z\Z")
        volume = volume or "volume-id"
        whole = f"{server}_{volume}"
        kept = name[: -len("_" + STAMP)]
        if len(whole) + 1 + len(STAMP) <= 255:
            self.assertEqual(whole, kept)
            return
        self.assertEqual(255, len(name))
        if len(server) <= 236:
            self.assertEqual(whole[:238], kept)
        else:
            self.assertEqual(f"{server[:236]}_{volume[0]}", kept)


class MetadataTest(base.TestCase):
    @hypothesis.given(st.text(min_size=1), st.integers(1, 10**9 - 1))
    def test_it_is_found_again(self, task_id: str, attempt: int) -> None:
        work = samples.backup_task(task_id)
        metadata = naming.backup_metadata("d1", task_id, attempt)
        self.assertTrue(naming.made_by(metadata, "d1", work))
        self.assertFalse(naming.made_by(metadata, "d2", work))
        self.assertFalse(
            naming.made_by(metadata, "d1", samples.backup_task(task_id + "x"))
        )
        self.assertEqual(attempt, naming.attempt_of(metadata))
        for value in metadata.values():
            self.assertIsInstance(value, str)

    def test_metadata_of_others(self) -> None:
        self.assertFalse(naming.made_by({}, "d1", samples.backup_task()))
        self.assertIsNone(naming.attempt_of({}))

    @hypothesis.given(st.text() | st.text("0123456789\u0663\u00b2"))
    def test_members_can_write_anything(self, text: str) -> None:
        number = naming.attempt_of({naming.METADATA_ATTEMPT: text})
        if number is not None:
            self.assertEqual(int(text), number)
            self.assertLess(number, 10**9)
