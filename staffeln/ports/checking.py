# SPDX-License-Identifier: Apache-2.0
"""Whether a backup may be deleted: who asks, and who is asked."""

from __future__ import annotations

from typing import Protocol

from staffeln.domain import model


class DeletionCheck(Protocol):
    """What the API asks."""

    def may_delete(
        self, asked: model.DeletionQuestion
    ) -> model.DeletionAnswer:
        """Whether a backup may be deleted; raises nothing."""


class Lookup(Protocol):
    """The database, as the check needs it: one short look."""

    def look(self, backup_id: str, volume_id: str | None) -> model.Standing:
        """What the database says of a backup, and of itself.

        Ids are lower case, with hyphens. It answers or raises within two
        seconds, also where the database does neither.

        :param volume_id: the backup's volume; None: it is not known.
        :raises StoreError: the database does not say it.
        """


class Seen(Protocol):
    """What is remembered of the database beyond the life of a process."""

    def recognise(self, deployment_uuid: str, term: int) -> str | None:
        """Hold a database against what was seen, and remember it.

        :returns: None: it is the same one, as old or older; else what
            tells that it was exchanged or restored.
        """


class Health(Protocol):
    """How the API is."""

    def live(self) -> None:
        """Return; a process that cannot is to be started anew."""

    def ready(self) -> list[str]:
        """What keeps checks from being answered, a line each."""
