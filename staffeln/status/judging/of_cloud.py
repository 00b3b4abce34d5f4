# SPDX-License-Identifier: Apache-2.0
"""What is wrong in the cloud, by what its services say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from staffeln.domain import errors, model, report
from staffeln.domain.findings import (
    Finding,
    error,
    fine,
    not_checked,
    warning,
)

NEARLY = 0.9
"""A quota that is taken so far is worth a warning."""

ACTING = frozenset({"admin", "member"})
"""Roles with which Cinder's own policy lets somebody make backups."""


def backup_services(found: Sequence[model.BackupService]) -> Iterator[Finding]:
    """Whether anybody can carry backups out."""
    able = [each for each in found if each.enabled and each.up]
    if not found:
        yield error(
            "no-backup-service",
            "Cinder has no cinder-backup service: nothing can be backed up",
            "deploy cinder-backup, and see openstack volume service list",
        )
    for each in found:
        if each in able:
            continue
        state = "down" if not each.up else "disabled"
        make = error if not able else warning
        yield make(
            f"backup-service-{state}",
            f"cinder-backup on {each.host} is {state}"
            + ("" if able else ": nobody is left to make backups"),
            f"start cinder-backup on {each.host}, and see its log"
            if state == "down"
            else f"openstack volume service set --enable {each.host} "
            "cinder-backup",
            host=each.host,
        )
    yield fine(f"{len(able)} up")


def selection(found: model.Inventory, rule: str) -> Iterator[Finding]:
    """What is to be protected, and what of the cloud could not be read."""
    for problem in found.problems:
        yield warning(
            "not-read",
            problem,
            "see the log of the service that it names; what is absent from "
            "an incomplete list is not taken for gone",
        )
    if not found.candidates and not found.problems:
        yield warning(
            "nothing-selected",
            f"of {found.servers_seen} servers none has a volume to protect: "
            f"{rule}",
            "set the metadata key on servers, or correct [conductor] "
            "backup_metadata_key",
            option="[conductor] backup_metadata_key",
        )
    yield fine(
        f"{len(found.candidates)} volumes of {found.servers_selected} of "
        f"{found.servers_seen} servers"
    )


def role(
    project_id: str,
    roles: Sequence[str] | errors.CloudError,
    volumes: int,
    *,
    enabled: bool | None,
    user_id: str,
) -> Finding | None:
    """Whether the service user can act in a project; None: it can.

    :param volumes: selected ones; 0: it only has managed backups.
    :param enabled: None: nobody knows.
    """
    holds = f"{volumes} selected volume(s)" if volumes else "managed backups"
    name = f"project {project_id}"
    if isinstance(roles, errors.NoRoleError):
        if enabled is False:
            return warning(
                "project-disabled",
                f"{name} has {holds} and is disabled: nothing of it is "
                "backed up or expires",
                f"openstack project set --enable {project_id}, or take the "
                "metadata key off its servers",
                project_id=project_id,
            )
        make = error if volumes else warning
        return make(
            "no-role",
            f"the service user has no role in {name}, which has {holds}",
            f"openstack role add --user {user_id} --project {project_id} "
            "member",
            project_id=project_id,
        )
    if isinstance(roles, errors.CloudError):
        return not_checked(
            "role-unread",
            f"{name}: {roles}",
            "see keystone",
            project_id=project_id,
        )
    if not ACTING.intersection(each.lower() for each in roles):
        return warning(
            "role-not-enough",
            f"in {name}, which has {holds}, the service user has only "
            f"{', '.join(roles)}: Cinder's own policy wants member",
            f"openstack role add --user {user_id} --project {project_id} "
            "member",
            project_id=project_id,
        )
    return None


def quota(
    project_id: str, found: report.Quotas | errors.CloudError
) -> Finding | None:
    """Whether a project has room for another backup; None: it has."""
    name = f"project {project_id}"
    if isinstance(found, errors.CloudError):
        return not_checked(
            "quota-unread",
            f"quotas of {name}: {found}",
            "see cinder",
            project_id=project_id,
        )
    for limit, unit, option in (
        (found.backups, "backups", "--backups"),
        (found.gigabytes, "GiB of backups", "--backup-gigabytes"),
    ):
        todo = (
            f"openstack quota set {option} NUMBER {project_id}, or a shorter "
            "retention"
        )
        if limit.limit >= 0 and limit.taken >= limit.limit:
            return error(
                "quota-used-up",
                f"{name} has selected volumes, and its quota is used up: "
                f"{limit.taken} of {limit.limit} {unit}",
                todo,
                project_id=project_id,
            )
        if limit.rate is not None and limit.rate >= NEARLY:
            return warning(
                "quota-nearly-used-up",
                f"{name} has taken {limit.taken} of its {limit.limit} {unit}",
                todo,
                project_id=project_id,
            )
    return None


def orphan(shown: model.CloudBackup) -> Finding:
    """A backup of ours in Cinder that has no row."""
    return warning(
        "orphan",
        f"backup {shown.id} of volume {shown.volume_id} in project "
        f"{shown.project_id} is of this deployment and has no row: it does "
        "not expire, and no check protects it by its id",
        "a reconciliation gives it a row when it is a day old "
        "(orphan_settle_time); if it is older, see the conductor's log for "
        "Reconciliation",
        backup_id=shown.id,
        volume_id=shown.volume_id,
        project_id=shown.project_id,
    )


def by_project(found: model.Inventory) -> Mapping[str, int]:
    """How many selected volumes each project has."""
    counts: dict[str, int] = {}
    for each in found.candidates:
        project_id = each.volume.project_id
        counts[project_id] = counts.get(project_id, 0) + 1
    return counts


def unfinished(
    kind: str, left: int, total: int, what: str, seconds: float
) -> Finding:
    """What time was not enough for."""
    return not_checked(
        kind,
        f"{left} of {total} {what}: {seconds:g} s were not enough",
        "give more time with --timeout",
    )
