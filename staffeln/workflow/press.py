# SPDX-License-Identifier: Apache-2.0
"""What makes messages of reports, and brings them to people."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence

from staffeln import ports
from staffeln.domain import digest, receivers, report

LOG = logging.getLogger(__name__)

INTO_LOG = "the log"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
    """A report that is ready to be brought to its readers."""

    id: str
    rendered: report.Rendered
    lines: tuple[str, ...]
    """For the log; empty: it does not go there."""
    what: report.Report | None
    """None: it was printed plainly, and only tells which tasks there are."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """Who is told, and by which way."""

    policy: receivers.Policy
    renderer: ports.Renderer
    mailer: ports.Mailer | None
    """None: there is no sender, and all goes into the log."""
    shelf: ports.Shelf | None = None

    def mails(self, to: receivers.Receivers) -> bool:
        """Whether what is for these goes by mail, not into the log."""
        return bool(to.addresses) and self.mailer is not None

    def print_out(
        self, what: report.Report, to: receivers.Receivers
    ) -> Printed:
        """Make a report ready for its readers."""
        return Printed(
            id=what.id,
            rendered=self.renderer.render(what),
            lines=() if self.mails(to) else self.renderer.log_lines(what),
            what=what,
        )

    def print_plainly(
        self, report_id: str, told: Sequence[report.Finished]
    ) -> Printed:
        """Make a report ready that cannot be made as it should be."""
        lines = digest.plainly(told)
        subject = "[staffeln] tasks that no report could be made of"
        return Printed(
            id=report_id,
            rendered=report.Rendered(
                subject=subject, text="\n".join(lines) + "\n", html=""
            ),
            lines=(subject, *lines),
            what=None,
        )

    def bring(
        self, to: receivers.Receivers, printed: Printed
    ) -> tuple[str, ...]:
        """Hand a report over; returns for whom it was accepted.

        :returns: nothing: it went into the log.
        :raises MailError: it was accepted for nobody, or nobody knows.
        """
        if to.addresses and self.mailer is not None:
            return self.mailer.send(
                printed.id, to.addresses, printed.rendered
            ).accepted
        for line in printed.lines:
            LOG.info("%s", line)
        return ()
