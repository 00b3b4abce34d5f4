# SPDX-License-Identifier: Apache-2.0
"""All rows of a report as a file for spreadsheets and scripts."""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Iterable, Iterator

from staffeln.domain import report
from staffeln.report import words

COLUMNS = (
    "project_id",
    "project_name",
    "kind",
    "outcome",
    "volume_id",
    "volume_name",
    "volume_gib",
    "server_id",
    "server_name",
    "backup_id",
    "mode",
    "at",
    "seconds",
    "reason",
)

COMPRESSED_FROM = 2 * 1024 * 1024
"""Bytes: mail servers seldom take messages of more than 10 MiB."""

_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001
"""What a cell begins with that spreadsheets calculate."""

_FORMULA_BEHIND = re.compile(r"(;[\s\"]*)(?=[=+@＝＋－＠-])")  # noqa: RUF001
"""What becomes the beginning of a cell where semicolons part cells.

Spreadsheets of many countries open each CSV file like that.
"""

_BEFORE = re.compile(r"^[\s\"]+")
"""What may stand before a formula, for some of them."""

_Cell = str | int | None


def attachment(what: report.Report) -> report.Attachment | None:
    """The file with one line for each task and notice; None: there is none.

    Times are UTC. A mark at its beginning tells spreadsheets that it is
    UTF-8.
    """
    written = io.StringIO(newline="")
    lines = csv.writer(written)
    lines.writerow(COLUMNS)
    empty = True
    for row in _rows(what):
        empty = False
        lines.writerow([_safe(each) for each in row])
    if empty:
        return None
    name = f"staffeln-{what.created_at.strftime('%Y%m%dT%H%M%SZ')}.csv"
    content = written.getvalue().encode("utf-8-sig")
    if len(content) < COMPRESSED_FROM:
        return report.Attachment(
            name=name, media_type="text/csv", content=content
        )
    return report.Attachment(
        name=f"{name}.gz",
        media_type="application/gzip",
        content=gzip.compress(content, mtime=0),
    )


def _safe(cell: _Cell) -> _Cell:
    if not isinstance(cell, str):
        return cell
    starts = (cell, _BEFORE.sub("", cell))
    quote = "'" if any(map(_is_formula, starts)) else ""
    return _FORMULA_BEHIND.sub(r"\1'", quote + words.shown(cell, None))


def _is_formula(start: str) -> bool:
    return start.startswith(_FORMULAS)


def _rows(what: report.Report) -> Iterator[tuple[_Cell, ...]]:
    """In the order of a project's part of the report."""
    for project in what.projects:
        head = (project.project_id, project.project_name)
        for row in _tasks(project.failed, detailed=what.detailed):
            yield (*head, *row)
        for notice in project.notices:
            yield (*head, *_notice(notice, detailed=what.detailed))
        for row in _tasks(
            (*project.succeeded, *project.cancelled, *project.removed),
            detailed=what.detailed,
        ):
            yield (*head, *row)


def _tasks(
    tasks: Iterable[report.Finished], *, detailed: bool
) -> Iterator[tuple[_Cell, ...]]:
    for each in tasks:
        work = each.work
        took = each.took
        yield (
            work.kind,
            work.state,
            work.volume_id,
            work.volume_name,
            work.volume_size,
            work.server_id,
            work.server_name,
            work.backup_id,
            each.mode,
            words.second(each.at),
            None if took is None else max(int(took.total_seconds()), 0),
            words.reason(work.reason, detailed=detailed, longest=None),
        )


def _notice(notice: report.Notice, *, detailed: bool) -> tuple[_Cell, ...]:
    since = notice.since or notice.until
    return (
        "notice",
        notice.topic,
        notice.volume_id,
        notice.volume_name,
        None,
        None,
        notice.server_name,
        None,
        None,
        None if since is None else words.second(since),
        None,
        words.reason(notice.why, detailed=detailed, longest=None),
    )
