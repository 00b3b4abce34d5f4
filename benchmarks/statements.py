# SPDX-License-Identifier: Apache-2.0
"""What is sent to a database, and how the database carries it out."""

from __future__ import annotations

import dataclasses
import re
import time
from typing import Any

import sqlalchemy as sa

LARGE = ("backups", "tasks")
"""Tables that no statement may read from one end to the other."""

_LISTS = re.compile(r"\((?:\?|%\(\w+\)s|%s)(?:, (?:\?|%\(\w+\)s|%s))+\)")
_NAMES = re.compile(r"%\(\w+\)s")
_SCANS = {
    "sqlite": re.compile(rf"SCAN ({'|'.join(LARGE)})\b(?!.* INDEX )"),
    "mysql": re.compile(rf"({'|'.join(LARGE)}): ALL\b"),
    "postgresql": re.compile(rf"Seq Scan on ({'|'.join(LARGE)})\b"),
}
_SORTS = {
    "sqlite": re.compile("USE TEMP B-TREE"),
    "mysql": re.compile("Using filesort|Using temporary"),
    "postgresql": re.compile(r"(^|-> +)(Incremental )?Sort "),
}


@dataclasses.dataclass(slots=True)
class Sort:
    """Statements that differ in their values alone."""

    text: str
    """Of the longest one."""
    values: Any
    times: int = 0
    seconds: float = 0.0
    longest: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """How a database carries a sort of statements out."""

    statement: str
    times: int
    longest: float
    """Seconds."""
    lines: tuple[str, ...]
    scans: bool
    """It reads a large table from one end to the other."""
    sorts: bool


class Watch:
    """Counts what an engine sends, from now on."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self.sorts: dict[str, Sort] = {}
        sa.event.listen(engine, "before_cursor_execute", self._begins)
        sa.event.listen(engine, "after_cursor_execute", self._ends)

    def forget(self) -> None:
        """Begin anew."""
        self.sorts.clear()

    @property
    def count(self) -> int:
        """How many statements there were."""
        return sum(each.times for each in self.sorts.values())

    @property
    def longest(self) -> float:
        """Seconds of the longest one."""
        return max((each.longest for each in self.sorts.values()), default=0)

    def _begins(self, _connection: Any, *others: Any) -> None:
        others[3].began_at = time.monotonic()

    def _ends(self, _connection: Any, *others: Any) -> None:
        _, text, values, context, _ = others
        seconds = time.monotonic() - context.began_at
        first = values[0] if isinstance(values, list) else values
        found = self.sorts.setdefault(_alike(text), Sort(text, first))
        found.times += 1
        found.seconds += seconds
        found.longest = max(found.longest, seconds)
        if len(text) > len(found.text):
            found.text, found.values = text, first

    def plans(self) -> list[Plan]:
        """How the database would carry them out now; what reads rows."""
        dialect = self._engine.dialect.name
        kept = {
            name: dataclasses.replace(each)
            for name, each in self.sorts.items()
            if re.match("SELECT .* FROM|UPDATE|DELETE", name)
        }
        found = []
        for name, each in kept.items():
            lines = tuple(self._explain(each))
            found.append(
                Plan(
                    statement=_shortened(name),
                    times=each.times,
                    longest=each.longest,
                    lines=lines,
                    scans=any(map(_SCANS[dialect].search, lines)),
                    sorts=any(map(_SORTS[dialect].search, lines)),
                )
            )
        return found

    def _explain(self, each: Sort) -> list[str]:
        dialect = self._engine.dialect.name
        word = "EXPLAIN QUERY PLAN" if dialect == "sqlite" else "EXPLAIN"
        with self._engine.connect() as connection:
            found = connection.exec_driver_sql(
                f"{word} {each.text}", each.values
            ).all()
        if dialect == "sqlite":
            return [row.detail for row in found]
        if dialect == "mysql":
            return [
                f"{row.table}: {row.type}, key {row.key}, about {row.rows} "
                f"rows. {row.Extra or ''}"
                for row in found
            ]
        return [row[0] for row in found]


def _alike(text: str) -> str:
    """The same text for statements that differ in their values alone."""
    flat = _LISTS.sub("(...)", " ".join(text.split()))
    return _NAMES.sub("?", flat)


def _shortened(text: str) -> str:
    """Without the columns that are read or written."""
    text = re.sub(
        r"^SELECT (DISTINCT )?.{60,}? FROM", r"SELECT \1... FROM", text
    )
    return re.sub(r"SET .{60,}? WHERE", "SET ... WHERE", text)
