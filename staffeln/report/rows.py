# SPDX-License-Identifier: Apache-2.0
"""The lines of lists, and tasks that are only counted."""

from __future__ import annotations

import collections
import re
from collections.abc import Iterable

from staffeln.domain import report, task
from staffeln.report import words
from staffeln.report.view import Count, Row, Tone

MOST_REASONS = 10
"""Different reasons of counted tasks that are named."""

_UNLIKE = re.compile(
    r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}"
    r"|\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d)?Z?"
)
"""Ids and times, in which reasons differ that are the same."""


def _row(each: report.Finished, why: str = "") -> Row:
    work = each.work
    took = f"took {words.length(each.took)}" if each.took is not None else ""
    size = f"{words.number(work.volume_size)} GiB" if work.volume_size else ""
    return Row(
        name=words.shown(work.volume_name or "(no name)"),
        server=words.shown(work.server_name or work.server_id),
        volume_id=words.shown(work.volume_id),
        backup_id=words.shown(work.backup_id or ""),
        what=", ".join(filter(None, (each.mode, size))),
        when=words.minute(each.at),
        took=took,
        why=why,
    )


def succeeded(each: report.Finished) -> Row:
    """A backup that was made."""
    return _row(each)


def failed(each: report.Finished, *, detailed: bool) -> Row:
    """A backup that was not made, and why."""
    why = words.reason(each.work.reason, detailed=detailed)
    if each.work.attempt > 1:
        why += f" ({each.work.attempt} attempts)"
    return _row(each, why)


def noticed(each: report.Notice, *, detailed: bool) -> Row:
    """Something about a volume that is no task."""
    when = []
    if each.since is not None:
        when.append(f"since {words.minute(each.since)}")
    if each.until is not None:
        when.append(f"until {words.minute(each.until)}")
    return Row(
        name=words.shown(each.volume_name or "(no name)"),
        server=words.shown(each.server_name),
        volume_id=words.shown(each.volume_id),
        when=", ".join(when),
        why=words.reason(each.why, detailed=detailed),
    )


def counts(
    project: report.ProjectReport, *, detailed: bool
) -> tuple[Count, ...]:
    """Removed and cancelled tasks by what became of them, and why."""
    done = task.State.SUCCEEDED
    kept = [each for each in project.removed if each.work.state is not done]
    removed = [each for each in project.removed if each.work.state is done]
    return (
        *_by_reason("not removed", kept, Tone.TIGHT, detailed=detailed),
        *_by_reason("removed", removed, Tone.PLAIN, detailed=detailed),
        *_by_reason(
            "cancelled", project.cancelled, Tone.PLAIN, detailed=detailed
        ),
    )


def _by_reason(
    outcome: str,
    tasks: Iterable[report.Finished],
    tone: Tone,
    *,
    detailed: bool,
) -> list[Count]:
    """The most frequent first; the rest in one line."""
    found: collections.Counter[str] = collections.Counter()
    example: dict[str, str] = {}
    for each in tasks:
        said = words.reason(_why(each), detailed=detailed)
        alike = _UNLIKE.sub("…", said)
        found[alike] += 1
        example.setdefault(alike, said)
    counts = []
    for alike, number in found.most_common(MOST_REASONS):
        why = alike if number > 1 else example[alike]
        said = f"{words.count(number, 'backup')} {outcome}"
        said += f": {why}" if why else ""
        counts.append(Count(number=number, words=said, tone=tone))
    rest = found.total() - sum(each.number for each in counts)
    if rest:
        said = f"{words.count(rest, 'backup')} {outcome} for other reasons"
        counts.append(Count(number=rest, words=said, tone=tone))
    return counts


def _why(each: report.Finished) -> str:
    """The reason; of a delete with its cause, where it does not say it."""
    cause = each.work.cause
    if cause is None or cause in each.work.reason:
        return each.work.reason
    return ", ".join(filter(None, (cause, each.work.reason)))
