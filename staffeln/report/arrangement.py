# SPDX-License-Identifier: Apache-2.0
"""Which project comes first, and how many rows each list gets."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from staffeln.domain import report
from staffeln.report import meters, opening, rows, sharing, words
from staffeln.report.view import MOST_PROJECTS, Listing, Part, Row, Tone, View

LONGEST_LIST = 200
"""Rows of one list that are shown."""

MOST_ROWS = 2000
"""Rows of all lists together: more than that no mail program likes."""

_Shown = TypeVar("_Shown")


def of(what: report.Report) -> View:
    """Put a report into order and words."""
    parts = _parts(what)
    totals = what.totals
    title = opening.title(what)
    return View(
        id=what.id,
        subject=opening.subject(what),
        title=title[:1].upper() + title[1:],
        about=opening.about(what),
        period=(
            f"Made {words.minute(what.created_at)}, tells what ended since "
            f"{words.minute(what.since)}. All times are UTC."
        ),
        remarks=tuple(
            words.reason(each, detailed=what.detailed) for each in what.remarks
        ),
        totals=totals,
        tone=max((each.tone for each in parts), default=Tone.GOOD),
        parts=parts,
    )


def _parts(what: report.Report) -> tuple[Part, ...]:
    urgent_first = sorted(what.projects, key=_tone, reverse=True)
    by_topic = [_by_topic(each.notices) for each in urgent_first]
    limits = _limits(urgent_first, by_topic)
    return tuple(
        _part(project, topics, detailed=what.detailed, limits=limit)
        for project, topics, limit in zip(
            urgent_first, by_topic, limits, strict=True
        )
    )


def _tone(project: report.ProjectReport) -> Tone:
    """The worst of it."""
    totals, forecast = project.totals, project.forecast
    if totals.failed:
        return Tone.BAD
    fits = forecast is None or forecast.fits is not False
    if project.notices or totals.not_removed or not fits:
        return Tone.TIGHT
    return Tone.GOOD


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
    forecast, forecast_tone = meters.forecast(
        project.forecast, detailed=detailed
    )
    return Part(
        id=words.shown(project.project_id),
        name=words.shown(project.project_name or ""),
        totals=project.totals,
        tone=_tone(project),
        meters=meters.of(project.quotas),
        forecast=forecast,
        forecast_tone=forecast_tone,
        failed=_listing(
            "Failed",
            project.failed,
            limits.failed,
            lambda each: rows.failed(each, detailed=detailed),
        ),
        notices=tuple(
            _listing(
                f"{topic[:1].upper()}{topic[1:]}",
                notices,
                limit,
                lambda each: rows.noticed(each, detailed=detailed),
            )
            for (topic, notices), limit in zip(
                topics, limits.notices, strict=True
            )
        ),
        succeeded=_listing(
            "Succeeded", project.succeeded, limits.succeeded, rows.succeeded
        ),
        counts=rows.counts(project, detailed=detailed),
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
