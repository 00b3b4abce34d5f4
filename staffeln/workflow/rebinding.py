# SPDX-License-Identifier: Apache-2.0
"""Binding a database to another cloud, or to its own by other names."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from staffeln import ports
from staffeln.domain import errors, model

SAMPLE = 20
"""How many of the newest managed backups the cloud is asked for."""


def rebind(
    cloud: ports.Cloud,
    store: ports.Store,
    tell: Callable[[str], None],
    *,
    really: bool,
    forced: bool,
) -> None:
    """Show what would change, and change it.

    :param really: False: only show.
    :param forced: although the cloud knows none of the managed backups, or
        conductors run.
    :raises StaffelnError: why it is not done.
    """
    found = cloud.identity()
    # Who is no administrator sees lists that are silently incomplete.
    cloud.backup_services()
    deployment = store.deployment()
    changes = _changes(deployment.identity, found)
    for line in changes:
        tell(line)
    if not changes:
        tell("nothing to do: the database is bound to this cloud")
        return
    asked, known = _known(cloud, store)
    tell(f"{known} of the {asked} newest managed backups are in this cloud")
    if asked and not known and not forced:
        raise errors.WrongCloudError(
            "this cloud knows none of the managed backups that were looked "
            "for: is it the right one? --force binds the database all the same"
        )
    running = sorted({each.host for each in store.conductors()})
    if running and not forced:
        raise errors.WrongCloudError(
            f"there are conductors on {', '.join(running)}: stop them first, "
            "or use --force when they are gone"
        )
    if not really:
        tell("nothing was written: --yes does it")
        return
    store.rebind_cloud(found)
    tell(f"database {deployment.uuid} is bound to this cloud now")


def _changes(
    bound: model.CloudIdentity | None, found: model.CloudIdentity
) -> list[str]:
    return [
        f"{field.name}: {_shown(bound, field.name)} -> "
        f"{getattr(found, field.name)}"
        for field in dataclasses.fields(found)
        if bound is None
        or getattr(bound, field.name) != getattr(found, field.name)
    ]


def _shown(bound: model.CloudIdentity | None, name: str) -> str:
    return "not bound" if bound is None else str(getattr(bound, name))


def _known(cloud: ports.Cloud, store: ports.Store) -> tuple[int, int]:
    """How many backups were asked for, and how many are there."""
    newest = store.backups(states=[model.BackupState.AVAILABLE], limit=SAMPLE)
    known = 0
    for row in newest:
        try:
            cloud.backup(row.id)
        except errors.NotFoundError:
            continue
        known += 1
    return len(newest), known
