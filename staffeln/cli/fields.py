# SPDX-License-Identifier: Apache-2.0
"""Fields of a thing: exact for machines, readable for people."""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import enum
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar

from cliff import columns

from staffeln.cli import layout, words

T = TypeVar("T")

_EXACT = frozenset({"json", "yaml"})
"""Formats that escape what a terminal might obey, and give it back."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Field(Generic[T]):
    """One field of things of a sort."""

    name: str
    """As JSON has it."""
    value: Callable[[T], Any]
    """The exact value: a text, number, time, length, or None."""
    text: Callable[[T], str] | None = None
    """How a table shows it, where the value's kind does not say."""
    fitting: layout.Fitting = layout.WHOLE
    """What happens to it in a narrow table."""


class Cell(columns.FormattableColumn[Any]):
    """A value that knows its text; columns are sorted by the value.

    :param key: what it is sorted by.
    """

    def __init__(self, value: Any, text: str, key: Any) -> None:
        super().__init__(value)
        self._text = text
        self.key = key

    def human_readable(self) -> str:
        """The text of a table."""
        return self._text

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Cell):
            return NotImplemented
        return (self.key is None, self.key) < (other.key is None, other.key)


def attribute(name: str, **more: Any) -> Field[Any]:
    """The field of that name of a dataclass."""
    return Field(name=name, value=lambda thing: getattr(thing, name), **more)


def listed(
    brief: Sequence[Field[T]],
    all_of_them: Sequence[Field[T]],
    things: Iterable[T],
    parsed_args: argparse.Namespace,
) -> tuple[tuple[str, ...], list[tuple[Cell, ...]]]:
    """Names of columns and rows, as cliff wants them.

    People get the brief fields, as many as their terminal has room for;
    machines, ``--long`` and ``--column`` get all.
    """
    chosen = all_of_them
    if parsed_args.formatter == "table":
        width = layout.room(parsed_args)
        if not parsed_args.long and not parsed_args.columns:
            chosen = [each for each in brief if each.fitting.has_room(width)]
            rows = [[cell(each, thing) for each in chosen] for thing in things]
            return _fitted(chosen, rows, width)
        if parsed_args.columns:
            named = {each.name for each in all_of_them}
            more = [each for each in brief if each.name not in named]
            chosen = [*all_of_them, *more]
        names = tuple(title(each) for each in chosen)
    else:
        names = tuple(each.name for each in chosen)
    return names, [
        tuple(cell(each, thing, parsed_args.formatter) for each in chosen)
        for thing in things
    ]


def _fitted(
    chosen: Sequence[Field[T]], rows: list[list[Cell]], width: int | None
) -> tuple[tuple[str, ...], list[tuple[Cell, ...]]]:
    names = tuple(title(each) for each in chosen)
    texts = layout.fit(
        names,
        [[each.human_readable() for each in row] for row in rows],
        [each.fitting for each in chosen],
        width,
    )
    return names, [
        tuple(
            Cell(each.machine_readable(), text, each.key)
            for each, text in zip(row, fitted, strict=True)
        )
        for row, fitted in zip(rows, texts, strict=True)
    ]


def title(field: Field[Any]) -> str:
    """The head of the field's column."""
    return field.name.replace("_", " ").title().replace("Id", "ID")


def cell(field: Field[T], thing: T, formatter: str = "table") -> Cell:
    """The field of a thing, for one of cliff's formats."""
    value = field.value(thing)
    if field.text is not None:
        shown = field.text(thing)
    else:
        shown = words.plain(readable(value))
    return Cell(_written(machine(value), formatter), shown, value)


def nested(value: Any, text: str, formatter: str) -> Cell:
    """A list or a mapping with a text that says the same."""
    if formatter not in _EXACT and value is not None:
        value = json.dumps(value)
    return Cell(_written(value, formatter), text, None)


def _written(exact: Any, formatter: str) -> Any:
    """A value of JSON as another format may have it."""
    if formatter in _EXACT:
        return exact
    if exact is None:
        return ""
    if not isinstance(exact, str):
        return exact
    exact = words.plain(exact)
    if formatter == "shell":
        # cliff puts it in double quotes: a shell would run $(...) in names.
        for meaning in "\\$`":
            exact = exact.replace(meaning, f"\\{meaning}")
    return exact


def readable(value: Any) -> str:
    """A value as people read it."""
    if value is None or value == "":
        return words.NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime.datetime):
        return words.second(value)
    if isinstance(value, datetime.timedelta):
        return words.length(value)
    return str(value)


def machine(value: Any) -> Any:
    """A value as JSON has it: times in ISO 8601, lengths in seconds."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, datetime.datetime):
        return words.when(value)
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    return value
