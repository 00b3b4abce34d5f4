# SPDX-License-Identifier: Apache-2.0
"""The picture of a task's life is that of the table, and cannot go stale."""

import re
from importlib import util
from typing import Any
from unittest import mock
from xml.etree import ElementTree

from staffeln.domain import task
from staffeln.tests import base
from staffeln.tests.unit.doc import sources


def _load() -> Any:
    """The module beside Sphinx's settings: no package that one can import."""
    path = sources.ROOT / "doc" / "ext" / "state_picture.py"
    spec = util.spec_from_file_location("state_picture", path)
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


state_picture = _load()


def drawn() -> tuple[set[str], set[tuple[str, str]]]:
    """States and moves that the picture shows."""
    root = ElementTree.fromstring(state_picture.svg())
    space = "{http://www.w3.org/2000/svg}"
    states = {each.text or "" for each in root.iter(f"{space}text")}
    moves = {
        tuple(each.attrib["data-move"].split())
        for each in root.iter(f"{space}path")
        if "data-move" in each.attrib
    }
    return states, moves  # type: ignore[return-value]


class StatePictureTest(base.TestCase):
    def test_it_shows_every_state_and_every_move(self) -> None:
        states, moves = drawn()
        self.assertEqual({str(each) for each in task.State}, states)
        self.assertEqual(
            {
                (str(start), str(end))
                for start, ends in task.TRANSITIONS.items()
                for end in ends
            },
            moves,
        )

    def test_it_is_drawn_anew_when_the_table_changes(self) -> None:
        changed = {**task.TRANSITIONS, task.State.PLANNED: frozenset()}
        with mock.patch.object(task, "TRANSITIONS", changed):
            _, moves = drawn()
        self.assertFalse([each for each in moves if each[0] == "planned"])

    def test_the_page_has_no_picture_but_this_one(self) -> None:
        page = sources.PAGES / "contributor" / "architecture.rst"
        self.assertTrue(
            re.search(r"^\.\. task-states::$", page.read_text(), re.M)
        )
