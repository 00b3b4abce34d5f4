# SPDX-License-Identifier: Apache-2.0
"""When a 404 of Nova proves that a server is gone."""

from __future__ import annotations

from collections.abc import Mapping

from staffeln import ports
from staffeln.domain import errors

KEPT = 4
"""Witnesses that are asked for: some were deleted since they were listed."""
_ENOUGH = 2
"""Of two projects one at least is not the service user's own."""


def prove_a_404(cloud: ports.Cloud, witnesses: Mapping[str, str]) -> None:
    """Prove that who Nova does not know is gone, as an administrator.

    :raises CloudError: it is not proved, and why.
    """
    cloud.backup_services()
    prove_shown(cloud, witnesses)


def prove_shown(cloud: ports.Cloud, witnesses: Mapping[str, str]) -> None:
    """Prove that Nova answers 404 for nothing but servers that are gone.

    Its policies can let somebody list the servers of all projects who is
    shown none of them by its id (``context_is_admin`` decides that, and not
    the rule of the list). So a few that were listed just now are asked for.

    :param witnesses: a listed server of each of some projects, by project.
    :raises CloudError: it is not proved, and why.
    """
    shown = 0
    asked = list(witnesses.values())[:KEPT]
    for server_id in asked:
        if shown >= _ENOUGH:
            return
        try:
            cloud.server(server_id)
        except errors.NotFoundError:
            continue
        shown += 1
    if shown < min(_ENOUGH, len(asked)):
        raise errors.NotAdministratorError(
            f"Nova showed {shown} of {len(asked)} listed servers by their "
            "ids: is the service user an administrator by context_is_admin?"
        )
