# SPDX-License-Identifier: Apache-2.0
"""Cinder: how many backups a project may have, and how much in them."""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping
from typing import Any

from staffeln.cloud import answers
from staffeln.cloud.block_storage import CINDER
from staffeln.cloud.session import CloudSession
from staffeln.domain import report


def quotas(session: CloudSession, project_id: str) -> report.Quotas:
    """A project's limits on backups and what is used of them."""
    path = f"/os-quota-sets/{urllib.parse.quote(project_id, safe='')}"
    body = session.get(CINDER, path, "quota_set", {"usage": "true"})
    with answers.reading(answers.Asked(CINDER.name, "GET", path)):
        found = body["quota_set"]
        return report.Quotas(
            backups=_quota(found["backups"]),
            gigabytes=_quota(found["backup_gigabytes"]),
        )


def _quota(row: Mapping[str, Any]) -> report.Quota:
    return report.Quota(
        limit=max(_number(row["limit"]), report.UNLIMITED),
        in_use=_number(row["in_use"]),
        reserved=_number(row["reserved"]),
    )


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{value!r} is not a number")
    return value
