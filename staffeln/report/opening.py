# SPDX-License-Identifier: Apache-2.0
"""What a report says first: its subject, and what it is about."""

from __future__ import annotations

from staffeln.domain import report
from staffeln.report import words

_LONGEST_SUBJECT_NAME = 80

_UNPROTECTED = frozenset({report.Topic.NEVER_PROTECTED, report.Topic.STALE})


def subject(what: report.Report) -> str:
    """One short line that filters can match, whatever the name holds."""
    scope = "all projects"
    if len(what.projects) == 1:
        only = what.projects[0]
        name = only.project_name or only.project_id
        scope = f"project {words.shown(name, _LONGEST_SUBJECT_NAME)}"
    return f"[staffeln] {scope}: {title(what)}"


def title(what: report.Report) -> str:
    """What became of it all, in one line."""
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


def about(what: report.Report) -> str:
    """Which projects it tells of."""
    if len(what.projects) != 1:
        return words.count(len(what.projects), "project")
    only = what.projects[0]
    if only.project_name is None:
        return f"Project {words.shown(only.project_id)}"
    return (
        f"Project {words.shown(only.project_name)} "
        f"({words.shown(only.project_id)})"
    )
