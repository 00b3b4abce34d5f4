# SPDX-License-Identifier: Apache-2.0
"""Reports to look at: small, large, and with names that mean harm."""

from __future__ import annotations

import datetime
import uuid
from typing import Any

from staffeln.domain import report, task

MADE = datetime.datetime(2026, 11, 20, 2, 5, 9)  # noqa: DTZ001  UTC by rule
MINUTE = datetime.timedelta(minutes=1)
DAY = datetime.timedelta(days=1)

HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>&amp;",
    "two\r\nlines\tand\x1b[31m more\x00",
    "family 👩\u200d👩\u200d👧 of 🧨",
    "invoice\u202efdp.exe",
    "שלום עולם",
    '=HYPERLINK("http://example.com","click")',
    "{{ 7 * 7 }}{% raw %}",
    "half a \ud83d character",
    "n" * 255,
)
"""Names as users may choose them."""


def ident(number: int) -> str:
    """An id as OpenStack makes them, the same for the same number."""
    return str(uuid.UUID(int=number * 0x9E3779B97F4A7C15 % 2**128, version=4))


def finished(number: int, **changes: Any) -> report.Finished:
    """A backup that succeeded; changes are the task's."""
    begun = MADE - MINUTE * (120 + number % 600)
    values: dict[str, Any] = {
        "id": ident(number),
        "kind": task.Kind.BACKUP,
        "state": task.State.SUCCEEDED,
        "project_id": ident(7).replace("-", ""),
        "volume_id": ident(1000 + number),
        "volume_name": f"data-{number}",
        "volume_size": 10 + number % 90,
        "server_id": ident(2000 + number),
        "server_name": f"web-{number % 20}",
        "mode": task.Mode.INCREMENTAL if number % 3 else task.Mode.FULL,
        "backup_id": ident(3000 + number),
        "attempt": 1,
        "attempted_at": begun,
        "created_at": begun - MINUTE,
        "updated_at": begun + MINUTE * 5,
        "finished_at": begun + MINUTE * 5,
    }
    values.update(changes)
    work = task.Task(**values)
    done = work.state is task.State.SUCCEEDED
    backup = work.kind is task.Kind.BACKUP
    return report.Finished(
        work=work,
        incremental=bool(number % 3) if done and backup else None,
        made_at=begun if done and backup else None,
    )


def failed(number: int, reason: str, **changes: Any) -> report.Finished:
    """A backup that failed."""
    return finished(
        number,
        **{
            "state": task.State.FAILED,
            "reason": reason,
            "backup_id": None,
            **changes,
        },
    )


def removed(number: int, **changes: Any) -> report.Finished:
    """A backup that expired and was deleted."""
    return finished(
        number,
        **{
            "kind": task.Kind.DELETE,
            "mode": None,
            "cause": task.Cause.EXPIRED,
            "reason": "Cinder does not know it any more",
            **changes,
        },
    )


def quotas(
    backups: tuple[int, int, int] = (100, 34, 0),
    gigabytes: tuple[int, int, int] = (1000, 812, 20),
) -> report.Quotas:
    """Limit, in use and reserved of both."""
    return report.Quotas(
        backups=report.Quota(
            limit=backups[0], in_use=backups[1], reserved=backups[2]
        ),
        gigabytes=report.Quota(
            limit=gigabytes[0], in_use=gigabytes[1], reserved=gigabytes[2]
        ),
    )


def notice(number: int, topic: report.Topic, **changes: Any) -> report.Notice:
    """Something about a volume."""
    values: dict[str, Any] = {
        "topic": topic,
        "project_id": ident(7).replace("-", ""),
        "volume_id": ident(1000 + number),
        "volume_name": f"data-{number}",
        "server_name": f"web-{number % 20}",
        "since": MADE - DAY * 9,
        "why": "selected, and no backup of it has succeeded yet",
    }
    return report.Notice(**{**values, **changes})


def project(**changes: Any) -> report.ProjectReport:
    """A project with a bit of everything."""
    host = "Cinder: the backend ceph01@rbd#pool at 10.0.3.7:8776 is down"
    values: dict[str, Any] = {
        "project_id": ident(7).replace("-", ""),
        "project_name": "demo",
        "quotas": quotas(),
        "forecast": report.Forecast(
            backups=5,
            gigabytes=180,
            fits=False,
            why="The quota leaves room for 168 GiB; 2 incrementals are "
            "counted as 0 GiB.",
        ),
        "failed": (
            failed(1, f"{host} (req-{ident(9)}, POST /v3/x/backups)"),
            failed(
                2,
                f"volume {ident(1002)} is in error status",
                attempt=3,
                attempted_at=None,
            ),
        ),
        "succeeded": tuple(finished(each) for each in range(10, 22)),
        "cancelled": tuple(
            finished(
                each,
                state=task.State.CANCELLED,
                reason="no candidate any more",
            )
            for each in (30, 31)
        ),
        "removed": (
            *(removed(each) for each in range(40, 47)),
            removed(
                50,
                state=task.State.FAILED,
                reason=f"held by backup {ident(4)}",
            ),
        ),
        "notices": (
            notice(60, report.Topic.NEVER_PROTECTED),
            notice(61, report.Topic.NEVER_PROTECTED),
            notice(
                62,
                report.Topic.SHORTENED,
                since=None,
                until=MADE + DAY * 7,
                why="kept for 7d instead of 30d from then on",
            ),
        ),
    }
    return report.ProjectReport(**{**values, **changes})


def whole(*projects: report.ProjectReport, **changes: Any) -> report.Report:
    """A report of these projects; of one with everything, if none."""
    values: dict[str, Any] = {
        "id": ident(1),
        "created_at": MADE,
        "since": MADE - DAY,
        "projects": projects or (project(),),
    }
    return report.Report(**{**values, **changes})


def hostile() -> report.Report:
    """Each name and reason as bad as it gets."""
    return whole(
        *(
            project(
                project_id=f"p{index}",
                project_name=bad,
                failed=(
                    failed(
                        1, bad, volume_name=bad, server_name=bad, volume_id=bad
                    ),
                ),
                succeeded=(finished(10, volume_name=bad, server_name=bad),),
                notices=(
                    notice(
                        60,
                        report.Topic.STALE,
                        volume_name=bad,
                        server_name=bad,
                        why=bad,
                    ),
                ),
                forecast=report.Forecast(
                    backups=1, gigabytes=1, fits=True, why=bad
                ),
                cancelled=(
                    finished(30, state=task.State.CANCELLED, reason=bad),
                ),
            )
            for index, bad in enumerate(HOSTILE)
        ),
        remarks=HOSTILE,
    )


def many(number: int = 40) -> report.Report:
    """All projects of a cloud."""
    conditions = (
        quotas(),
        quotas((-1, 12, 0), (-1, 400, 0)),
        quotas((0, 0, 0), (0, 3, 0)),
        quotas((10, 10, 0), (100, 40, 55)),
        None,
    )
    return whole(
        *(
            project(
                project_id=ident(500 + each).replace("-", ""),
                project_name=None if each == 13 else f"project {each}",
                quotas=conditions[each % len(conditions)],
                forecast=None,
                failed=(
                    (failed(each, "over quota: Cinder: too many"),)
                    if each % 9 == 4
                    else ()
                ),
                notices=(
                    (notice(each, report.Topic.HELD),)
                    if each % 11 == 3
                    else ()
                ),
                succeeded=tuple(
                    finished(100 * each + more) for more in range(each % 5)
                ),
                cancelled=(),
                removed=(),
            )
            for each in range(number)
        ),
        remarks=("Deletes are paused in all projects since 2026-11-18 09:00",),
        detailed=True,
    )


def long(rows: int = 500) -> report.Report:
    """One project with more than is shown."""
    return whole(
        project(
            failed=tuple(
                failed(each, "over quota: Cinder: too many")
                for each in range(rows // 2)
            ),
            succeeded=tuple(finished(each) for each in range(rows)),
        )
    )
