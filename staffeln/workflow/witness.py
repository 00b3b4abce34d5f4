# SPDX-License-Identifier: Apache-2.0
"""When a 404 of Nova proves that a server is gone."""

from __future__ import annotations

from collections.abc import Mapping

from staffeln import ports
from staffeln.domain import errors

KEPT = 4
"""Witnesses that a harvest takes: some are deleted before they are asked."""
_ENOUGH = 2
"""Of two projects one at least is not the service user's own."""


def prove_a_404(cloud: ports.Cloud, witnesses: Mapping[str, str]) -> None:
    """Prove that Nova answers 404 for nothing but servers that are gone.

    Its policies can let somebody list the servers of all projects who is
    shown none of them by its id (``context_is_admin`` decides that, and not
    the rule of the list). So a few that were listed just now are asked for.

    :param witnesses: a listed server of each of some projects, by project.
    :raises CloudError: it is not proved, and why.
    """
    cloud.backup_services()
    shown = 0
    for server_id in witnesses.values():
        if shown >= _ENOUGH:
            return
        try:
            cloud.server(server_id)
        except errors.NotFoundError:
            continue
        shown += 1
    if shown < min(_ENOUGH, len(witnesses)):
        raise errors.NotAdministratorError(
            f"Nova showed {shown} of {len(witnesses)} listed servers by their "
            "ids: has the service user administrator rights in Nova?"
        )
