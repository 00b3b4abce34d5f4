# SPDX-License-Identifier: Apache-2.0
"""Whose cloud is this? A database belongs to one cloud."""

from __future__ import annotations

import dataclasses
import logging

from staffeln import ports
from staffeln.domain import errors, model

LOG = logging.getLogger(__name__)


def prove(
    cloud: ports.Cloud, store: ports.Store, *, bind: bool = True
) -> tuple[model.Deployment, list[model.BackupService]]:
    """Prove that this is the database's cloud and we its administrator.

    The first call binds an unbound database.

    :param bind: False leaves an unbound database as it is.
    :returns: the deployment and the cloud's backup services.
    :raises WrongCloudError: the database belongs to another cloud.
    :raises NotAdministratorError: lists would silently be incomplete.
    """
    identity = cloud.identity()
    # Rights come first: a user without them must not be bound for ever.
    services = cloud.backup_services()
    deployment = store.deployment()
    if deployment.identity is None and not bind:
        return deployment, services
    if deployment.identity is None:
        store.bind_cloud(identity)
        deployment = store.deployment()
        LOG.info(
            "Database %s is now bound to cloud %s, region %s",
            deployment.uuid,
            identity.auth_url,
            identity.region,
        )
    differences = _differences(deployment.identity, identity)
    if differences:
        raise errors.WrongCloudError(
            f"database {deployment.uuid} belongs to another cloud: "
            + "; ".join(differences)
        )
    return deployment, services


def _differences(
    bound: model.CloudIdentity | None, found: model.CloudIdentity
) -> list[str]:
    if bound is None:
        return ["it could not be bound"]
    return [
        f"{field.name} is {getattr(found, field.name)!r}, "
        f"not {getattr(bound, field.name)!r}"
        for field in dataclasses.fields(found)
        if getattr(bound, field.name) != getattr(found, field.name)
    ]
