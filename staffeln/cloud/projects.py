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


def all_projects(session: CloudSession) -> Mapping[str, bool]:
    """Which projects are enabled, as far as one list tells.

    What cannot be read is left out, as what Keystone cuts off.
    """
    path = "/projects"
    asked = answers.Asked(KEYSTONE.name, "GET", path)
    body = session.get(KEYSTONE, path, "projects")
    found: dict[str, bool] = {}
    with answers.reading(asked):
        for row in _rows(body["projects"]):
            try:
                project_id, enabled = _read(row)
            except (LookupError, TypeError, ValueError) as error:
                words = f"a project cannot be read: {error!r}"
                LOG.warning("%s", asked.message(words))
                continue
            found[project_id] = enabled
    return found


def _rows(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("projects is not a list")
    return value


def _read(row: Mapping[str, Any]) -> tuple[str, bool]:
    """Id of a project, and whether it is enabled."""
    enabled = row["enabled"]
    if not isinstance(enabled, bool):
        raise ValueError(f"enabled is {enabled!r}")
    return identifier(row["id"]), enabled
