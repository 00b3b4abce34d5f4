# SPDX-License-Identifier: Apache-2.0
"""Cinder: volumes, backups and the services that make them."""

from __future__ import annotations

import contextlib
import datetime
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from staffeln import ports
from staffeln.cloud import answers, paging
from staffeln.cloud.catalogue import Microversions, Service
from staffeln.cloud.fields import (
    identifier,
    moment,
    name,
    shared,
    size,
    text,
    texts,
)
from staffeln.cloud.session import CloudSession, Params
from staffeln.domain import errors, model

CINDER = Service(
    name="Cinder",
    type="block-storage",
    path="/v3",
    microversions=Microversions("volume", oldest=(3, 45), wanted=(3, 64)),
)
"""3.43 brought metadata of backups, 3.45 the count of a list.

3.56 brought who made a backup, which may be missing.
"""

CHILDREN_TOLD = 5
"""How many of the backups that depend on one are looked up."""

_NEWEST_FIRST = "created_at:desc"


def backup_services(session: CloudSession) -> list[model.BackupService]:
    """The cinder-backup services; only administrators may ask.

    :raises NotAdministratorError: the service user is none.
    """
    params = {"binary": "cinder-backup"}
    try:
        body = session.get(CINDER, "/os-services", "services", params)
    except errors.ForbiddenError as error:
        if error.status != 403:
            raise
        session.forget_service_token()
        raise errors.NotAdministratorError(
            f"the service user has no administrator rights in Cinder: {error}",
            status=error.status,
            request_id=error.request_id,
        ) from None
    with _reading("/os-services"):
        return [
            model.BackupService(
                host=text(row["host"]),
                enabled=row["status"] == "enabled",
                up=row["state"] == "up",
            )
            for row in body["services"]
            if row.get("binary", "cinder-backup") == "cinder-backup"
        ]


def time(session: CloudSession) -> datetime.datetime:
    """Cinder's clock, by a list of one row at most."""
    return session.date(CINDER, "/backups", "backups", {"limit": 1})


def volume_pages(session: CloudSession) -> Iterator[ports.Page[model.Volume]]:
    """All volumes of all projects; the first page tells how many."""
    params: dict[str, str | int] = {
        "all_tenants": 1,
        "limit": session.settings.page_size,
        "with_count": "true",
    }
    return paging.pages(
        session, CINDER, "/volumes/detail", "volumes", volume, params
    )


def one_volume(session: CloudSession, volume_id: str) -> model.Volume:
    """One volume of any project."""
    path = f"/volumes/{volume_id}"
    body = session.get(CINDER, path, "volume")
    with _reading(path):
        return volume(body["volume"])


def backup_pages(
    session: CloudSession, status: str | None
) -> Iterator[ports.Page[model.CloudBackup]]:
    """Backups of all projects, newest first."""
    params = _all_backups(session.settings.page_size)
    params["with_count"] = "true"
    if status is not None:
        params["status"] = status
    return paging.pages(
        session, CINDER, "/backups/detail", "backups", backup, params
    )


def newest_backup(
    session: CloudSession, offset: int
) -> model.CloudBackup | None:
    """The backup that has so many newer ones."""
    path = "/backups/detail"
    params = {**_all_backups(1), "offset": offset}
    body = session.get(CINDER, path, "backups", params)
    with _reading(path):
        return backup(body["backups"][0]) if body["backups"] else None


def one_backup(session: CloudSession, backup_id: str) -> model.CloudBackup:
    """One backup of any project."""
    path = f"/backups/{backup_id}"
    body = session.get(CINDER, path, "backup")
    with _reading(path):
        return backup(body["backup"])


def backups_of_volume(
    session: CloudSession, project_id: str, volume_id: str
) -> list[model.CloudBackup]:
    """A volume's backups as its own project sees them, newest first.

    :raises MalformedAnswerError: one of them cannot be read: a list to
        look something up in must be whole.
    """
    params: dict[str, str | int] = {
        "limit": session.settings.page_size,
        "sort": _NEWEST_FIRST,
        "with_count": "true",
    }
    try:
        found = _backups_of_project(
            session, project_id, {**params, "volume_id": volume_id}
        )
    except errors.InvalidRequestError:
        # Operators choose what members may filter by, and a Cinder whose
        # list of filters is not installed lets them filter by nothing.
        found = _backups_of_project(session, project_id, params)
    return [each for each in found if each.volume_id == volume_id]


def _backups_of_project(
    session: CloudSession, project_id: str, params: Params
) -> list[model.CloudBackup]:
    """A whole list in the scope of a project."""
    found: list[model.CloudBackup] = []
    for page in paging.pages(
        session,
        CINDER,
        "/backups/detail",
        "backups",
        functools.partial(backup, project_id=project_id),
        params,
        project_id,
    ):
        for problem in page.problems:
            raise errors.MalformedAnswerError(problem)
        found += page.items
    return found


def create_backup(
    session: CloudSession,
    asked: model.BackupRequest,
    in_time: Callable[[], bool],
) -> str:
    """Ask for a backup in the volume's project; its id."""
    body: dict[str, Any] = {
        "volume_id": asked.volume_id,
        "name": asked.name,
        "incremental": asked.incremental,
        "metadata": dict(asked.metadata),
    }
    if asked.force:
        body["force"] = True
    answer = session.post(
        CINDER,
        "/backups",
        "backup",
        {"backup": body},
        asked.project_id,
        in_time,
    )
    with _reading("/backups", "POST"):
        return identifier(answer["backup"]["id"])


def delete_backup(
    session: CloudSession, backup_id: str, in_time: Callable[[], bool]
) -> None:
    """Ask for a backup to be deleted, as the administrator.

    Cinder looks for backups that depend on it in the project of the caller
    only, so that an administrator of another project could delete a parent
    under its children: they are looked for here, in all projects. Somebody
    who is no administrator any more sees none of other projects; but then
    Cinder does not let them delete there either.
    """
    path = f"/backups/{backup_id}"
    children = _children(session, backup_id)
    if children:
        asked = answers.Asked(CINDER.name, "DELETE", path)
        words = f"held by backup {', '.join(children)}, which depends on it"
        raise errors.DependentsError(asked.message(words), children)
    session.delete(CINDER, path, in_time)


def _children(session: CloudSession, backup_id: str) -> tuple[str, ...]:
    """Some of the backups whose parent a backup is, in any status."""
    path = "/backups"
    params: dict[str, str | int] = {
        "all_tenants": 1,
        "parent_id": backup_id,
        "limit": CHILDREN_TOLD,
    }
    body = session.get(CINDER, path, "backups", params)
    with _reading(path):
        return tuple(identifier(row["id"]) for row in body["backups"])


# -- reading what Cinder shows ---------------------------------------------


def _all_backups(limit: int) -> dict[str, str | int]:
    return {"all_tenants": 1, "limit": limit, "sort": _NEWEST_FIRST}


def _reading(
    path: str, method: str = "GET"
) -> contextlib.AbstractContextManager[None]:
    return answers.reading(answers.Asked(CINDER.name, method, path))


def volume(row: Mapping[str, Any]) -> model.Volume:
    """A volume as Cinder shows it to an administrator."""
    return model.Volume(
        id=identifier(row["id"]),
        name=name(row["name"]),
        project_id=shared(identifier(row["os-vol-tenant-attr:tenant_id"])),
        status=shared(text(row["status"])),
        size=size(row["size"]),
        metadata=texts(row["metadata"]),
        server_ids=tuple(
            identifier(attachment["server_id"])
            for attachment in row["attachments"]
            if attachment["server_id"]
        ),
    )


def backup(
    row: Mapping[str, Any], project_id: str | None = None
) -> model.CloudBackup:
    """A backup as Cinder shows it.

    :param project_id: the scope that was asked in; members are not always
        told the project.
    """
    owner = row.get("os-backup-project-attr:project_id", project_id)
    fail_reason = name(row.get("fail_reason"))
    user_id = row.get("user_id")
    incremental = row["is_incremental"]
    if not isinstance(incremental, bool):
        raise ValueError(f"is_incremental is {incremental!r}")
    return model.CloudBackup(
        id=identifier(row["id"]),
        project_id=shared(identifier(owner)),
        volume_id=identifier(row["volume_id"]),
        status=shared(text(row["status"])),
        incremental=incremental,
        created_at=moment(row["created_at"]),
        size=size(row["size"]),
        metadata=texts(row.get("metadata") or {}),
        fail_reason=answers.one_line(fail_reason) or None,
        user_id=identifier(user_id) if user_id is not None else None,
    )
