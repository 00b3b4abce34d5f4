# SPDX-License-Identifier: Apache-2.0
"""What makes messages of reports, and brings them to people."""

from __future__ import annotations

import dataclasses
import logging

from staffeln import ports
from staffeln.domain import receivers, report

LOG = logging.getLogger(__name__)

INTO_LOG = "the log"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """Who is told, and by which way."""

    policy: receivers.Policy
    renderer: ports.Renderer
    mailer: ports.Mailer | None
    """None: there is no sender, and all goes into the log."""
    shelf: ports.Shelf | None = None

    def bring(
        self,
        to: receivers.Receivers,
        what: report.Report,
        rendered: report.Rendered,
    ) -> tuple[str, ...]:
        """Hand a report over; returns for whom it was accepted.

        :returns: nothing: it went into the log.
        :raises MailError: it was accepted for nobody, or nobody knows.
        """
        if to.addresses and self.mailer is not None:
            return self.mailer.send(what.id, to.addresses, rendered).accepted
        for line in self.renderer.log_lines(what):
            LOG.info("%s", line)
        return ()
