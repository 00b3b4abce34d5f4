# SPDX-License-Identifier: Apache-2.0
"""All that a report says: tasks, quotas, and what there is to say besides."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from staffeln.domain import digest, report
from staffeln.workflow.protecting import Concerns
from staffeln.workflow.readers import Readers


def compile_report(
    report_id: str,
    created_at: datetime.datetime,
    told: Sequence[report.Finished],
    readers: Readers,
    concerns: Concerns,
    *,
    detailed: bool,
) -> report.Report:
    """A report of these tasks, as the cloud is at this moment.

    :param told: of one project, unless it is detailed.
    :param detailed: for those who see all projects.
    """
    projects = digest.by_project(told)
    if detailed:
        remarks = concerns.for_operators
    else:
        (project_id,) = projects
        remarks = concerns.remarks(project_id)
    return digest.of_projects(
        report_id,
        created_at,
        digest.oldest(told) or created_at,
        [
            _project(project_id, its, readers, concerns)
            for project_id, its in projects.items()
        ],
        detailed=detailed,
        remarks=remarks,
    )


def _project(
    project_id: str,
    told: Sequence[report.Finished],
    readers: Readers,
    concerns: Concerns,
) -> report.ProjectReport:
    quotas = readers.quotas(project_id)
    return digest.of_project(
        project_id,
        readers.name(project_id),
        told,
        quotas=quotas,
        forecast=concerns.forecast(project_id, quotas),
        notices=concerns.of(project_id),
    )
