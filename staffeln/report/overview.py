# SPDX-License-Identifier: Apache-2.0
"""The operators' summary as it is read: a few sections of short lines."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from staffeln.domain import model, report, summary
from staffeln.report import page, text, words
from staffeln.report.view import Tone

LONGEST_LIST = 50
"""Lines of one section that are shown."""

_URGENT = frozenset(
    {
        report.Topic.NEVER_PROTECTED,
        report.Topic.STALE,
        report.Topic.BROKEN,
        report.Topic.FAILING,
    }
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Some lines under one heading; what is text in them, is text."""

    title: str
    tone: Tone
    lines: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A summary in the order and the words in which it is shown."""

    id: str
    subject: str
    title: str
    period: str
    totals: report.Totals
    tone: Tone
    sections: tuple[Section, ...]


def rendered(what: summary.Summary) -> report.Rendered:
    """Subject, text and HTML of a summary."""
    shown = of(what)
    return report.Rendered(
        subject=shown.subject,
        text="\n".join((*lines(shown), "")),
        html=page.summary(shown),
    )


def of(what: summary.Summary) -> View:
    """Put a summary into order and words."""
    title = _title(what)
    sections = tuple(each for each in _sections(what) if each.lines)
    return View(
        id=what.id,
        subject=f"[staffeln] summary: {title}",
        title=title[:1].upper() + title[1:],
        period=(
            f"Made {words.minute(what.created_at)}, tells of "
            f"{words.count(what.projects, 'project')} and of what ended "
            f"since {words.minute(what.since)}. All times are UTC."
        ),
        totals=what.totals,
        tone=max((each.tone for each in sections), default=Tone.GOOD),
        sections=sections,
    )


def lines(shown: View) -> Iterator[str]:
    """All of it as text, without the subject."""
    yield f"Staffeln: {shown.title}"
    yield shown.period
    yield f"In all: {text.totals(shown.totals)}"
    for section in shown.sections:
        yield ""
        yield f"{section.title}:"
        for line in section.lines:
            yield f"  - {line}"


def _title(what: summary.Summary) -> str:
    totals = what.totals
    if totals.failed:
        said = (
            f"{words.number(totals.failed)} of "
            f"{words.count(totals.ended, 'backup')} failed"
        )
    else:
        said = f"{words.count(totals.succeeded, 'backup')} succeeded"
    unprotected = 0
    if what.cycle is not None:
        unprotected = what.cycle.never_protected + what.cycle.stale
    if unprotected:
        said += f", {words.count(unprotected, 'volume')} unprotected"
    if what.hands:
        said += f", {words.count(len(what.hands), 'thing')} to look at"
    return said


def _sections(what: summary.Summary) -> Iterator[Section]:
    yield Section(
        title="Needs hands",
        tone=Tone.BAD,
        lines=_shown(
            [words.reason(each, detailed=True) for each in what.hands]
        ),
    )
    yield Section(
        title="Failures by cause",
        tone=Tone.BAD,
        lines=_shown([_cause(each) for each in what.causes]),
    )
    yield Section(
        title="Failures by project",
        tone=Tone.BAD,
        lines=_shown([_project(each) for each in what.failing]),
    )
    if what.cycle is not None:
        well = not what.cycle.never_protected + what.cycle.stale
        yield Section(
            title="Protection",
            tone=Tone.GOOD if well and what.cycle.complete else Tone.TIGHT,
            lines=tuple(_protection(what.cycle)),
        )
    present = [each for each in report.Topic if what.topics.get(each)]
    yield Section(
        title="Notices",
        tone=Tone.TIGHT if _URGENT.intersection(present) else Tone.PLAIN,
        lines=tuple(
            f"{each}: {words.number(what.topics[each])}" for each in present
        ),
    )


def _shown(found: list[str]) -> tuple[str, ...]:
    more = len(found) - LONGEST_LIST
    if more <= 0:
        return tuple(found)
    return (*found[:LONGEST_LIST], f"and {words.number(more)} more")


def _cause(each: summary.Cause) -> str:
    backups = words.count(each.backups, "backup")
    projects = words.count(each.projects, "project")
    return f"{backups} of {projects}: {words.shown(each.words, None)}"


def _project(each: summary.ProjectLine) -> str:
    name = words.shown(each.project_name or "name unknown")
    return (
        f"{name} ({words.shown(each.project_id)}): "
        f"{words.number(each.failed)} failed, "
        f"{words.number(each.succeeded)} succeeded"
    )


def _protection(cycle: model.Cycle) -> Iterator[str]:
    yield (
        f"the last cycle ended {words.minute(cycle.ended_at)}, its harvest "
        f"was {'complete' if cycle.complete else 'INCOMPLETE'}"
    )
    yield (
        f"{words.count(cycle.selected, 'volume')} to protect: "
        f"{words.number(cycle.never_protected)} never protected, "
        f"{words.number(cycle.stale)} not protected for long, "
        f"{words.number(len(cycle.protected_at))} with a backup"
    )
    if cycle.dropped:
        yield (
            f"{words.count(cycle.dropped, 'volume')} with backups selected "
            "no longer"
        )
    if cycle.oldest_protection_at is not None:
        oldest = words.minute(cycle.oldest_protection_at)
        yield f"the oldest last backup is of {oldest}"
