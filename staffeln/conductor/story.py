# SPDX-License-Identifier: Apache-2.0
"""What a start tells: the rules in force and whom it talks to."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from staffeln.domain import model, selection

LOG = logging.getLogger(__name__)


def tell(
    rule: selection.Rule,
    database: str,
    backend: str,
    deployment: model.Deployment,
    services: Iterable[model.BackupService],
) -> None:
    """Log a line for each thing that an operator wants to find in a log.

    :param database: its kind, in words, without a password.
    :param backend: the coordination backend, in words.
    """
    LOG.info("Selection: %s", rule.in_words())
    LOG.info("Database: %s, deployment %s", database, deployment.uuid)
    LOG.info("Coordination: %s", backend)
    identity = deployment.identity
    if identity is not None:
        LOG.info(
            "Cloud: %s, region %s, block storage %s, user %s",
            identity.auth_url,
            identity.region,
            identity.block_storage_url,
            identity.user_id,
        )
    up = sorted(each.host for each in services if each.enabled and each.up)
    if up:
        LOG.info("Backup services up: %s", ", ".join(up))
    else:
        LOG.warning("No cinder-backup service is up: all backups wait")
