# SPDX-License-Identifier: Apache-2.0
"""What a round of reports says in the log of those that were not delivered."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from staffeln.domain import errors

LOG = logging.getLogger(__name__)


class Undelivered:
    """A line for each failure; one for all that were not even tried.

    While the mail server is away there would be a line for each project in
    each round.
    """

    def __init__(self) -> None:
        self._untried = 0
        self._why = ""

    def tell(
        self, report_id: str, projects: Sequence[str], error: errors.MailError
    ) -> None:
        """Say that a report was not delivered, as far as is known."""
        said, then = "was not sent", "; tried again in the next round"
        level = logging.ERROR
        if isinstance(error, errors.MailAwayError):
            self.untried(error)
            level = logging.DEBUG
        elif isinstance(error, errors.MailStoppedError):
            level = logging.INFO
        elif isinstance(error, errors.MailUncertainError):
            said, then = "may not have been sent", ""
        LOG.log(
            level,
            "Report %s (%s) %s: %s%s",
            report_id,
            in_words(projects),
            said,
            error,
            then,
        )

    def untried(self, why: errors.MailAwayError) -> None:
        """Count a report that was not even made: the server is away."""
        self._untried += 1
        self._why = str(why)

    def end(self) -> None:
        """Say how many were not tried."""
        if self._untried:
            LOG.error(
                "%d report(s) were not sent: %s; tried again in the next "
                "round",
                self._untried,
                self._why,
            )


def in_words(projects: Sequence[str]) -> str:
    """Which projects a report tells of, by their ids."""
    if len(projects) == 1:
        return f"project {projects[0]}"
    return f"{len(projects)} projects"
