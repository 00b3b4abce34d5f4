# SPDX-License-Identifier: Apache-2.0
"""Whether a backup may be deleted: who asks, and who is asked."""

from __future__ import annotations

from typing import Protocol

from staffeln.domain import checking


class DeletionCheck(Protocol):
    """What the API asks."""

    def may_delete(
        self, asked: checking.DeletionQuestion
    ) -> checking.DeletionAnswer:
        """Whether a backup may be deleted; raises nothing."""


class Lookup(Protocol):
    """The database, as the check needs it: one short look."""

    def look(
        self,
        backup_id: str,
        volume_id: str | None,
        known_term: int | None = None,
    ) -> checking.Standing:
        """What the database says of a backup, and of itself.

        Ids are lower case, with hyphens. It answers or raises within two
        seconds, also where the database does neither.

        :param volume_id: the backup's volume; None: it is not known.
        :param known_term: an earlier term of the scheduler, of which its
            age shall tell as well.
        :raises StoreError: the database does not say it.
        """


class Seen(Protocol):
    """What is remembered of the database beyond the life of a process."""

    @property
    def term(self) -> int | None:
        """The scheduler's term that is remembered, as far as is known.

        Looks nowhere; None: nobody has looked yet.
        """

    def recognise(
        self, deployment_uuid: str, age: checking.Age
    ) -> checking.Strange | None:
        """Hold a database against what was seen, and remember it.

        :returns: None: it is the same one, as old or older; else what
            tells that it was exchanged or restored, or why nobody knows.
            :data:`staffeln.domain.recognition.AGAIN` where the age does not
            tell of :attr:`term`: then look once more.
        """


class Health(Protocol):
    """How the API is."""

    def live(self) -> None:
        """Return; a process that cannot is to be started anew."""

    def ready(self) -> list[str]:
        """What keeps checks from being answered, a line each."""
