# SPDX-License-Identifier: Apache-2.0
"""Keystone: the people of a project who may be written to."""

from __future__ import annotations

import logging
import re
import urllib.parse
from collections.abc import Collection, Mapping
from typing import Any

from staffeln.cloud import answers
from staffeln.cloud.fields import identifier
from staffeln.cloud.projects import KEYSTONE, rows
from staffeln.cloud.session import CloudSession
from staffeln.domain import errors, report

LOG = logging.getLogger(__name__)

_FROM_A_PROJECT = re.compile(
    r"(/OS-INHERIT)?/projects/[^/]+/(users|groups)/[^/]+/roles/[^/]+"
    r"(/inherited_to_projects)?$"
)
"""Where an assignment was made: in a project, this one or one above it.

Those of a domain have ``/domains/`` there, those of the system
``/system/``: their holders are the cloud's own people.
"""


def members(
    session: CloudSession, project_id: str, roles: Collection[str]
) -> list[report.Member]:
    """Enabled users with an e-mail address and one of these roles."""
    path = "/role_assignments"
    asked = answers.Asked(KEYSTONE.name, "GET", path)
    params = {
        "scope.project.id": project_id,
        "effective": "true",
        "include_names": "true",
    }
    body = session.get(KEYSTONE, path, "role_assignments", params)
    wanted = {each.casefold() for each in roles}
    user_ids: set[str] = set()
    with answers.reading(asked):
        for row in rows(body["role_assignments"]):
            try:
                if _counts(row, project_id, wanted):
                    user_ids.add(identifier(row["user"]["id"]))
            except (AttributeError, LookupError, TypeError, ValueError) as err:
                words = f"a role assignment cannot be read: {err!r}"
                LOG.warning("%s", asked.message(words))
    user_ids.discard(session.service_access().user_id)
    found = (_member(session, user_id) for user_id in sorted(user_ids))
    return sorted(
        (each for each in found if each is not None),
        key=lambda each: (each.name, each.user_id),
    )


def _counts(
    row: Mapping[str, Any], project_id: str, wanted: Collection[str]
) -> bool:
    """Whether an assignment makes its user one of those to write to."""
    if "user" not in row or row["role"]["name"].casefold() not in wanted:
        return False
    if row["scope"]["project"]["id"] != project_id:
        return False
    made_at = urllib.parse.urlsplit(row["links"]["assignment"]).path
    return _FROM_A_PROJECT.search(made_at) is not None


def _member(session: CloudSession, user_id: str) -> report.Member | None:
    """A user, if there is a way to write to them."""
    path = f"/users/{urllib.parse.quote(user_id, safe='')}"
    asked = answers.Asked(KEYSTONE.name, "GET", path)
    try:
        user = session.get(KEYSTONE, path, "user", missing=user_id)["user"]
    except errors.NotFoundError:
        return None
    with answers.reading(asked):
        email, name = user.get("email"), user.get("name")
        if user["enabled"] is not True:
            return None
        if not isinstance(email, str) or not email.strip():
            return None
        return report.Member(
            user_id=user_id,
            name=name if isinstance(name, str) else "",
            email=email.strip(),
        )
