# SPDX-License-Identifier: Apache-2.0
"""A report in the order and the words in which it is shown.

Everything here is text that can be shown as it is, but for what markup
means in it: pages escape that.
"""

from __future__ import annotations

import collections
import dataclasses
import enum
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from staffeln.domain import report, task
from staffeln.report import sharing, words

LONGEST_LIST = 200
"""Rows of one list that are shown."""

MOST_ROWS = 2000
"""Rows of all lists together: more than that no mail program likes."""

MOST_PROJECTS = 100
"""Projects that are shown one by one; the overview names more."""

LONGEST_OVERVIEW = 500

MOST_REASONS = 10
"""Different reasons of counted tasks that are named."""

TIGHT = 0.75
"""From this rate on a quota is shown as getting full."""

FULL = 0.9
"""From this rate on a quota is shown as full."""

_UNLIKE = re.compile(
    r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}"
    r"|\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d)?Z?"
)
"""Ids and times, in which reasons differ that are the same."""


_Shown = TypeVar("_Shown")


class Tone(enum.StrEnum):
    """How good or bad something is."""

    GOOD = "good"
    TIGHT = "tight"
    BAD = "bad"
    PLAIN = "plain"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a list."""

    name: str
    server: str
    volume_id: str
    backup_id: str = ""
    what: str = ""
    """Mode and size."""
    when: str
    took: str = ""
    why: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The first rows of a list."""

    title: str
    total: int
    rows: tuple[Row, ...]

    @property
    def left_out(self) -> int:
        """How many rows are not shown."""
        return self.total - len(self.rows)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """How full a quota is."""

    name: str
    words: str
    percent: int | None
    """0 to 100: what a bar shows; None: it has none."""
    tone: Tone


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Tasks that are only counted."""

    number: int
    words: str
    tone: Tone


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One project."""

    id: str
    name: str
    totals: report.Totals
    meters: tuple[Meter, ...]
    forecast: str
    forecast_tone: Tone
    failed: Listing
    notices: tuple[Listing, ...]
    succeeded: Listing
    counts: tuple[Count, ...]

    @property
    def tone(self) -> Tone:
        """The worst of it."""
        if self.totals.failed:
            return Tone.BAD
        return Tone.TIGHT if self.notices else Tone.GOOD

    @property
    def noticed(self) -> int:
        """How many notices there are."""
        return sum(each.total for each in self.notices)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """All of it."""

    id: str
    subject: str
    title: str
    about: str
    """Which projects."""
    period: str
    remarks: tuple[str, ...]
    totals: report.Totals
    tone: Tone
    parts: tuple[Part, ...]
    """Those that need a look first."""

    @property
    def detailed_parts(self) -> tuple[Part, ...]:
        """Those that are shown one by one."""
        return self.parts[:MOST_PROJECTS]

    @property
    def overview(self) -> tuple[Part, ...]:
        """Those that are named; none where one project says it all."""
        return self.parts[:LONGEST_OVERVIEW] if len(self.parts) > 1 else ()


def of(what: report.Report) -> View:
    """Put a report into order and words."""
    parts = _parts(what)
    totals = what.totals
    title = _title(what)
    return View(
        id=what.id,
        subject=subject(what),
        title=title[:1].upper() + title[1:],
        about=_about(what),
        period=(
            f"Made {words.minute(what.created_at)}, tells what ended since "
            f"{words.minute(what.since)}. All times are UTC."
        ),
        remarks=tuple(
            words.reason(each, detailed=what.detailed) for each in what.remarks
        ),
        totals=totals,
        tone=_worst(totals, parts),
        parts=parts,
    )


# -- the beginning ---------------------------------------------------------

_LONGEST_SUBJECT_NAME = 80

_UNPROTECTED = frozenset({report.Topic.NEVER_PROTECTED, report.Topic.STALE})


def subject(what: report.Report) -> str:
    """One short line that filters can match, whatever the name holds."""
    scope = "all projects"
    if len(what.projects) == 1:
        only = what.projects[0]
        name = only.project_name or only.project_id
        scope = f"project {words.shown(name, _LONGEST_SUBJECT_NAME)}"
    return f"[staffeln] {scope}: {_title(what)}"


def _title(what: report.Report) -> str:
    totals = what.totals
    if totals.failed:
        said = (
            f"{words.number(totals.failed)} of "
            f"{words.count(totals.ended, 'backup')} failed"
        )
        failing = sum(bool(each.failed) for each in what.projects)
        if len(what.projects) > 1:
            said += f" in {failing} of {len(what.projects)} projects"
    elif totals.succeeded:
        said = f"{words.count(totals.succeeded, 'backup')} succeeded"
    else:
        said = "no backups were tried"
        if totals.removed:
            said += f", {words.number(totals.removed)} removed"
    unprotected = len(
        {
            each.volume_id
            for project in what.projects
            for each in project.notices
            if each.topic in _UNPROTECTED
        }
    )
    if unprotected:
        said += f", {words.count(unprotected, 'volume')} unprotected"
    return said


def _about(what: report.Report) -> str:
    if len(what.projects) != 1:
        return words.count(len(what.projects), "project")
    only = what.projects[0]
    if only.project_name is None:
        return f"Project {words.shown(only.project_id)}"
    return (
        f"Project {words.shown(only.project_name)} "
        f"({words.shown(only.project_id)})"
    )


def _worst(totals: report.Totals, parts: Iterable[Part]) -> Tone:
    if totals.failed:
        return Tone.BAD
    if any(each.notices for each in parts):
        return Tone.TIGHT
    return Tone.GOOD


# -- its projects ----------------------------------------------------------


def _parts(what: report.Report) -> tuple[Part, ...]:
    urgent_first = sorted(
        what.projects,
        key=lambda each: (not each.failed, not each.notices),
    )
    by_topic = [_by_topic(each.notices) for each in urgent_first]
    limits = _limits(urgent_first, by_topic)
    return tuple(
        _part(project, topics, detailed=what.detailed, limits=limit)
        for project, topics, limit in zip(
            urgent_first, by_topic, limits, strict=True
        )
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Limits:
    """How many rows a project's lists get."""

    failed: int
    notices: tuple[int, ...]
    succeeded: int


_Topics = Sequence[tuple[report.Topic, Sequence[report.Notice]]]


def _by_topic(notices: Iterable[report.Notice]) -> _Topics:
    found: dict[report.Topic, list[report.Notice]] = {}
    for each in notices:
        found.setdefault(each.topic, []).append(each)
    return [(topic, found[topic]) for topic in report.Topic if topic in found]


def _limits(
    projects: Sequence[report.ProjectReport], by_topic: Sequence[_Topics]
) -> list[_Limits]:
    """Rows for what went wrong first, and alike for each project."""
    room = MOST_ROWS
    given: list[list[int]] = []
    shown = projects[:MOST_PROJECTS]
    for wanted in (
        [len(each.failed) for each in shown],
        [
            len(notices)
            for topics in by_topic[:MOST_PROJECTS]
            for _, notices in topics
        ],
        [len(each.succeeded) for each in shown],
    ):
        share = sharing.shares(
            [min(each, LONGEST_LIST) for each in wanted], room
        )
        room -= sum(share)
        given.append(share)
    failed, of_notices, succeeded = (iter(each) for each in given)
    return [
        _Limits(
            failed=next(failed, 0),
            notices=tuple(next(of_notices, 0) for _ in topics),
            succeeded=next(succeeded, 0),
        )
        for topics in by_topic
    ]


def _part(
    project: report.ProjectReport,
    topics: _Topics,
    *,
    detailed: bool,
    limits: _Limits,
) -> Part:
    forecast, tone = _forecast(project.forecast, detailed=detailed)
    return Part(
        id=words.shown(project.project_id),
        name=words.shown(project.project_name or ""),
        totals=project.totals,
        meters=_meters(project.quotas),
        forecast=forecast,
        forecast_tone=tone,
        failed=_listing(
            "Failed",
            project.failed,
            limits.failed,
            lambda each: _failed(each, detailed=detailed),
        ),
        notices=tuple(
            _listing(
                str(topic).capitalize(),
                notices,
                limit,
                lambda each: _noticed(each, detailed=detailed),
            )
            for (topic, notices), limit in zip(
                topics, limits.notices, strict=True
            )
        ),
        succeeded=_listing(
            "Succeeded", project.succeeded, limits.succeeded, _succeeded
        ),
        counts=_counts(project, detailed=detailed),
    )


def _listing(
    title: str,
    things: Sequence[_Shown],
    limit: int,
    row: Callable[[_Shown], Row],
) -> Listing:
    return Listing(
        title=title,
        total=len(things),
        rows=tuple(row(each) for each in things[:limit]),
    )


# -- quotas ----------------------------------------------------------------


def _meters(quotas: report.Quotas | None) -> tuple[Meter, ...]:
    if quotas is None:
        return ()
    return (
        meter("Backups", quotas.backups, ""),
        meter("Size of backups", quotas.gigabytes, " GiB"),
    )


def meter(name: str, quota: report.Quota, unit: str) -> Meter:
    """How full a quota is, as words and a colour."""
    used = words.number(quota.in_use)
    more = f", {words.number(quota.reserved)} reserved"
    more = more if quota.reserved else ""
    if quota.limit < 0:
        said = f"{used}{unit}, no limit{more}"
        return Meter(name=name, words=said, percent=None, tone=Tone.PLAIN)
    if quota.rate is None:
        said = f"{used}{unit}, none allowed: the limit is 0{more}"
        return Meter(name=name, words=said, percent=100, tone=Tone.BAD)
    said = (
        f"{used} of {words.number(quota.limit)}{unit} ({quota.rate:.0%}){more}"
    )
    tone = Tone.GOOD
    if quota.rate >= FULL:
        tone = Tone.BAD
    elif quota.rate >= TIGHT:
        tone = Tone.TIGHT
    # A little of a large quota is still to be seen, and nearly full is not
    # yet full.
    percent = min(max(int(quota.rate * 100), 1 if quota.taken else 0), 100)
    return Meter(name=name, words=said, percent=percent, tone=tone)


def _forecast(
    forecast: report.Forecast | None, *, detailed: bool
) -> tuple[str, Tone]:
    if forecast is None:
        return "", Tone.PLAIN
    said = (
        f"Next cycle: {words.count(forecast.backups, 'backup')} and "
        f"{words.number(forecast.gigabytes)} GiB more "
        f"{'fit' if forecast.fits else 'do not fit'}."
    )
    if forecast.why:
        said += f" {words.reason(forecast.why, detailed=detailed)}"
    return said, Tone.GOOD if forecast.fits else Tone.BAD


# -- rows ------------------------------------------------------------------


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


def _succeeded(each: report.Finished) -> Row:
    return _row(each)


def _failed(each: report.Finished, *, detailed: bool) -> Row:
    why = words.reason(each.work.reason, detailed=detailed)
    if each.work.attempt > 1:
        why += f" ({each.work.attempt} attempts)"
    return _row(each, why)


def _noticed(each: report.Notice, *, detailed: bool) -> Row:
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


# -- what is only counted --------------------------------------------------


def _counts(
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
