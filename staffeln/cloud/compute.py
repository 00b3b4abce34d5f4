# SPDX-License-Identifier: Apache-2.0
"""Nova: the servers of all projects."""

from __future__ import annotations

import datetime
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any

from staffeln import ports
from staffeln.cloud import answers, paging
from staffeln.cloud.catalogue import Microversions, Service
from staffeln.cloud.fields import identifier, moment, name, shared, text, texts
from staffeln.cloud.session import CloudSession
from staffeln.domain import model

NOVA = Service(
    name="Nova",
    type="compute",
    path="/v2.1",
    microversions=Microversions("compute", oldest=(2, 69), wanted=(2, 69)),
)
"""From 2.69 on a server of a cell that is down shows as UNKNOWN."""


def server_pages(session: CloudSession) -> Iterator[ports.Page[model.Server]]:
    """All servers of all projects.

    Nova leaves the servers of a cell that is down out of such pages.
    """
    params = {"all_tenants": 1, "limit": session.settings.page_size}
    return paging.pages(
        session, NOVA, "/servers/detail", "servers", server, params
    )


def one_server(session: CloudSession, server_id: str) -> model.Server:
    """One server of any project.

    Those that are soft-deleted or in a cell that is down are shown too.
    """
    path = f"/servers/{urllib.parse.quote(server_id, safe='')}"
    body = session.get(NOVA, path, "server")
    with answers.reading(answers.Asked(NOVA.name, "GET", path)):
        return server(body["server"])


def server(row: Mapping[str, Any]) -> model.Server:
    """A server as Nova shows it; unread where too little is shown.

    :raises KeyError, TypeError, ValueError: what is there is malformed.
    """
    metadata = row.get("metadata")
    attached = row.get("os-extended-volumes:volumes_attached")
    project_id = row.get("tenant_id")
    status = text(row.get("status") or "UNKNOWN")
    task_state = row.get("OS-EXT-STS:task_state")
    volume_ids: tuple[str, ...] = ()
    if attached is not None:
        volume_ids = tuple(identifier(each["id"]) for each in attached)
    return model.Server(
        id=identifier(row["id"]),
        name=name(row.get("name")),
        project_id=shared(identifier(project_id))
        if project_id is not None
        else "",
        status=shared(status),
        task_state=text(task_state) if task_state is not None else None,
        metadata=texts(metadata) if metadata is not None else {},
        volume_ids=volume_ids,
        readable=status != "UNKNOWN"
        and None not in (metadata, attached, project_id),
        created_at=_created_at(row.get("created")),
    )


def _created_at(value: object) -> datetime.datetime | None:
    """Nothing else of a server is worth less for want of this one."""
    try:
        return moment(value)
    except ValueError:
        return None
