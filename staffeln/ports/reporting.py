# SPDX-License-Identifier: Apache-2.0
"""Telling people and machines, as the workflow needs it."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping
from typing import Protocol

from staffeln.domain import model, report, summary, task


class Renderer(Protocol):
    """Turns a report into what is read."""

    def render(self, what: report.Report) -> report.Rendered:
        """Subject, text, HTML and attachments of a report."""

    def render_summary(self, what: summary.Summary) -> report.Rendered:
        """Subject, text and HTML of the operators' summary."""

    def log_lines(self, what: report.Report) -> tuple[str, ...]:
        """The same for a log: no attachment is spoken of; a line each.

        The first line is the subject.
        """


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What became of a message."""

    accepted: tuple[str, ...]
    """Receivers that it was accepted for; at least one."""
    refused: Mapping[str, str]
    """Receivers that were refused, and the server's words."""


class Mailer(Protocol):
    """Sends messages to people."""

    def send(
        self, message_id: str, to: tuple[str, ...], what: report.Rendered
    ) -> Sent:
        """Send one message.

        :param message_id: the same for each try of the same message, such
            as the report's id; what goes before the @ of its Message-ID.
        :raises MailError: it was surely accepted for nobody.
        :raises MailUncertainError: nobody knows: no answer came after all
            of it was sent.
        """

    def close(self) -> None:
        """Send no more, and wait for no answer; called at any time."""


class Shelf(Protocol):
    """Keeps copies of reports."""

    def keep(
        self,
        report_id: str,
        created_at: datetime.datetime,
        what: report.Rendered,
    ) -> None:
        """Keep one; the same again changes nothing. Raises nothing.

        :param created_at: of the report; UTC without a zone.
        """


class Observer(Protocol):
    """Is told what happened, after it was saved.

    Never holds anybody up and raises nothing.
    """

    def moved(self, before: task.State | None, work: task.Task) -> None:
        """A task stands elsewhere now; None: it is new."""

    def cycle_ended(self, cycle: model.Cycle) -> None:
        """A cycle of the scheduler ended without an error."""

    def retention_ended(self, seconds: float, *, complete: bool) -> None:
        """A round of retention ended; complete: nothing held it back."""

    def report_sent(
        self,
        report_id: str,
        project_ids: tuple[str, ...],
        receivers: tuple[str, ...],
    ) -> None:
        """A report was delivered."""

    def report_failed(
        self, report_id: str, project_ids: tuple[str, ...]
    ) -> None:
        """A report was not delivered, as far as anybody knows.

        It, or another one of the same tasks, is tried in the next cycle.
        """


class Bystander(Observer):
    """Does nothing of itself; for observers that want to hear of a few."""

    def moved(self, before: task.State | None, work: task.Task) -> None:
        """Do nothing."""

    def cycle_ended(self, cycle: model.Cycle) -> None:
        """Do nothing."""

    def retention_ended(self, seconds: float, *, complete: bool) -> None:
        """Do nothing."""

    def report_sent(
        self,
        report_id: str,
        project_ids: tuple[str, ...],
        receivers: tuple[str, ...],
    ) -> None:
        """Do nothing."""

    def report_failed(
        self, report_id: str, project_ids: tuple[str, ...]
    ) -> None:
        """Do nothing."""
