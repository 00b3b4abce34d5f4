# SPDX-License-Identifier: Apache-2.0
"""Keystone: the projects of all domains."""

from __future__ import annotations

import logging
import urllib.parse
from collections.abc import Mapping
from typing import Any

from staffeln.cloud import answers
from staffeln.cloud.catalogue import Service
from staffeln.cloud.fields import identifier
from staffeln.cloud.session import CloudSession
from staffeln.domain import report

LOG = logging.getLogger(__name__)

KEYSTONE = Service(
    name="Keystone",
    type="identity",
    path="/v3",
    microversions=None,
    not_found="error",
    at_auth_url=True,
)


def one_project(session: CloudSession, project_id: str) -> bool:
    """Whether a project of any domain is enabled.

    Gateways call their faults as Keystone does: a 404 is believed only
    where its words name the project.
    """
    path = f"/projects/{urllib.parse.quote(project_id, safe='')}"
    body = session.get(KEYSTONE, path, "project", missing=project_id)
    with answers.reading(answers.Asked(KEYSTONE.name, "GET", path)):
        return _read(body["project"])[1]


def all_projects(session: CloudSession) -> report.ProjectList:
    """The projects of all domains, as far as one list tells.

    What cannot be read is left out, as what Keystone cuts off.
    """
    path = "/projects"
    asked = answers.Asked(KEYSTONE.name, "GET", path)
    body = session.get(KEYSTONE, path, "projects")
    found: list[report.Project] = []
    # Keystone says so where [DEFAULT] list_limit cuts a list off.
    complete = not body.get("truncated")
    with answers.reading(asked):
        for row in rows(body["projects"]):
            try:
                project_id, enabled = _read(row)
            except (LookupError, TypeError, ValueError) as error:
                words = f"a project cannot be read: {error!r}"
                LOG.warning("%s", asked.message(words))
                complete = False
                continue
            found.append(
                report.Project(id=project_id, name=_name(row), enabled=enabled)
            )
    return report.ProjectList(projects=tuple(found), complete=complete)


def rows(value: Any) -> list[Any]:
    """The rows of a list.

    :raises TypeError: it is none.
    """
    if not isinstance(value, list):
        raise TypeError(f"{type(value).__name__} in the place of a list")
    return value


def _name(row: Mapping[str, Any]) -> str:
    """Its name; empty where it has none that can be read."""
    found = row.get("name")
    return found if isinstance(found, str) else ""


def _read(row: Mapping[str, Any]) -> tuple[str, bool]:
    """Id of a project, and whether it is enabled."""
    enabled = row["enabled"]
    if not isinstance(enabled, bool):
        raise ValueError(f"enabled is {enabled!r}")
    return identifier(row["id"]), enabled
