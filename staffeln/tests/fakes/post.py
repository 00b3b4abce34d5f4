# SPDX-License-Identifier: Apache-2.0
"""A post office in memory: what makes and brings messages, and who saw."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable

from staffeln import ports
from staffeln.domain import errors, report, summary


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message that arrived."""

    id: str
    to: tuple[str, ...]
    what: report.Rendered


class Scribe:
    """Renders the ids of tasks, a line each; remembers every report."""

    def __init__(self) -> None:
        self.reports: list[report.Report] = []
        self.failure: Exception | None = None
        self.spoils: str | None = None
        """A project of which nothing can be rendered."""

    def render(self, what: report.Report) -> report.Rendered:
        if self.failure is not None:
            raise self.failure
        if self.spoils in {each.project_id for each in what.projects}:
            raise ValueError("a bug")
        self.reports.append(what)
        return report.Rendered(
            subject=f"report {what.id}",
            text="\n".join(task_ids(what)),
            html="",
        )

    def render_summary(self, what: summary.Summary) -> report.Rendered:
        return report.Rendered(subject="summary", text="", html="")

    def log_lines(self, what: report.Report) -> tuple[str, ...]:
        return (f"report {what.id}", *task_ids(what))


def task_ids(what: report.Report) -> list[str]:
    """Ids of the tasks that a report tells of."""
    return sorted(
        each.work.id
        for project in what.projects
        for each in (
            *project.failed,
            *project.succeeded,
            *project.cancelled,
            *project.removed,
        )
    )


class PostOffice:
    """Keeps the contract of ``ports.Mailer``."""

    def __init__(self) -> None:
        self.arrived: list[Letter] = []
        """Reports; summaries are counted."""
        self.summaries = 0
        self.asked: list[tuple[str, ...]] = []
        self.fails: Callable[[tuple[str, ...]], bool] = lambda _to: False
        """Which receivers are refused."""
        self.away = False
        """It failed a moment ago, and is not asked."""
        self.silent = False
        """Messages arrive, and no answer tells so."""
        self.loses = False
        """Messages get lost, and no answer tells so."""

    def send(
        self, message_id: str, to: tuple[str, ...], what: report.Rendered
    ) -> ports.Sent:
        if self.away:
            raise errors.MailAwayError("not tried again: refused")
        self.asked.append(to)
        if self.fails(to):
            raise errors.MailError("550 no such user")
        if what.subject == "summary":
            self.summaries += 1
        elif not self.loses:
            self.arrived.append(Letter(id=message_id, to=to, what=what))
        if self.silent or self.loses:
            raise errors.MailUncertainError("no answer came")
        return ports.Sent(accepted=to, refused={})

    def close(self) -> None:
        """Nothing is under way."""

    def told(self) -> dict[str, list[str]]:
        """By task id: the ids of the messages that told of it."""
        found: dict[str, list[str]] = {}
        for letter in self.arrived:
            for task_id in letter.what.text.splitlines():
                found.setdefault(task_id, []).append(letter.id)
        return found


class Folder:
    """Keeps the contract of ``ports.Shelf``."""

    def __init__(self) -> None:
        self.kept: dict[str, datetime.datetime] = {}

    def keep(
        self,
        report_id: str,
        created_at: datetime.datetime,
        what: report.Rendered,
    ) -> None:
        self.kept[report_id] = created_at


class Witness(ports.Bystander):
    """Keeps the contract of ``ports.Observer``: remembers reports."""

    def __init__(self) -> None:
        self.sent: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
        """Projects and receivers."""
        self.failed: list[tuple[str, ...]] = []

    def report_sent(
        self,
        report_id: str,
        project_ids: tuple[str, ...],
        receivers: tuple[str, ...],
    ) -> None:
        self.sent.append((project_ids, receivers))

    def report_failed(
        self, report_id: str, project_ids: tuple[str, ...]
    ) -> None:
        self.failed.append(project_ids)
