# SPDX-License-Identifier: Apache-2.0
"""What a report says of a project, made of the tasks that it tells of."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable, Sequence

from staffeln.domain import report, task


def by_project(
    told: Iterable[report.Finished],
) -> dict[str, list[report.Finished]]:
    """The tasks of each project."""
    found: defaultdict[str, list[report.Finished]] = defaultdict(list)
    for each in told:
        found[each.work.project_id].append(each)
    return dict(found)


def oldest(told: Iterable[report.Finished]) -> datetime.datetime | None:
    """When the first of these tasks was created; None: there is none."""
    return min((each.work.created_at for each in told), default=None)


def due_at(
    told: Iterable[report.Finished], period: datetime.timedelta
) -> datetime.datetime | None:
    """Since when there could have been a report of these tasks.

    A task is not late because it took long to end. None: there is none.
    """
    return min(
        (
            max(
                each.work.created_at + period,
                each.work.finished_at or each.work.created_at,
            )
            for each in told
        ),
        default=None,
    )


def plainly(told: Iterable[report.Finished]) -> list[str]:
    """A line for each task, with nothing in it that somebody else named."""
    return [
        f"project {each.work.project_id}: task {each.work.id}, "
        f"{each.work.kind} of volume {each.work.volume_id}, {each.work.state}"
        for each in sorted(
            told, key=lambda each: (each.work.project_id, each.work.id)
        )
    ]


def of_project(
    project_id: str,
    name: str | None,
    told: Iterable[report.Finished],
    *,
    quotas: report.Quotas | None,
    forecast: report.Forecast | None,
    notices: Sequence[report.Notice],
) -> report.ProjectReport:
    """One project's part of a report, the newest first in each list."""
    failed: list[report.Finished] = []
    succeeded: list[report.Finished] = []
    cancelled: list[report.Finished] = []
    removed: list[report.Finished] = []
    lists = {
        task.State.FAILED: failed,
        task.State.SUCCEEDED: succeeded,
        task.State.CANCELLED: cancelled,
    }
    for each in sorted(told, key=_order, reverse=True):
        deleted = each.work.kind is task.Kind.DELETE
        (removed if deleted else lists[each.work.state]).append(each)
    return report.ProjectReport(
        project_id=project_id,
        project_name=name,
        quotas=quotas,
        forecast=forecast,
        failed=tuple(failed),
        succeeded=tuple(succeeded),
        cancelled=tuple(cancelled),
        removed=tuple(removed),
        notices=tuple(notices),
    )


def of_projects(
    report_id: str,
    created_at: datetime.datetime,
    since: datetime.datetime,
    projects: Iterable[report.ProjectReport],
    *,
    detailed: bool,
    remarks: Sequence[str],
) -> report.Report:
    """A report of these projects, by name; those without one at the end."""
    return report.Report(
        id=report_id,
        created_at=created_at,
        since=since,
        projects=tuple(
            sorted(
                projects,
                key=lambda each: (
                    each.project_name is None,
                    (each.project_name or "").casefold(),
                    each.project_id,
                ),
            )
        ),
        detailed=detailed,
        remarks=tuple(remarks),
    )


def _order(each: report.Finished) -> tuple[datetime.datetime, str]:
    return each.work.finished_at or each.work.updated_at, each.work.id
