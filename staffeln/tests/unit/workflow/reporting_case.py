# SPDX-License-Identifier: Apache-2.0
"""Rounds of reports in a test: ended tasks, readers and a post office."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

from staffeln import ports
from staffeln.domain import receivers, task
from staffeln.tests import base
from staffeln.tests.fakes import post
from staffeln.tests.fakes.fake_cloud import START, FakeCloud
from staffeln.tests.fakes.memory_store import MemoryStore
from staffeln.tests.unit.domain import samples
from staffeln.workflow.press import Press
from staffeln.workflow.protecting import Concerns
from staffeln.workflow.reporting import Reporting
from staffeln.workflow.writer import Writer

DAY = samples.DAY
SECOND = datetime.timedelta(seconds=1)

MEMBERS = receivers.Policy(sender="staffeln@example.org")
"""Each project's members get its reports."""

NOTHING = Concerns(cycle=None, notices={}, demands={}, brakes=(), hands=())


class ReportingCase(base.TestCase):
    """A database, a cloud with two projects and a member each."""

    def setUp(self) -> None:
        super().setUp()
        self.time = START
        self.cloud = FakeCloud(clock=lambda: self.time)
        self.store: ports.Store = self.new_store()
        self.post = post.PostOffice()
        self.scribe = post.Scribe()
        self.folder = post.Folder()
        self.witness = post.Witness()
        self.policy = MEMBERS
        self.concerns = NOTHING
        self.stopping = False
        for name in ("pa", "pb"):
            self.add_project(name)
        self.take_office()

    def new_store(self) -> ports.Store:
        """An empty database whose clock is the test's."""
        return MemoryStore(clock=lambda: self.time)

    def add_project(self, name: str, **fields: Any) -> None:
        """A project with a member who can be written to."""
        self.cloud.add_project(name, name=f"name of {name}", **fields)
        user = self.cloud.add_user(name, f"{name}@example.org")
        self.cloud.assign(user, name)

    def take_office(
        self, store: ports.Store | None = None, mailer: Any = None
    ) -> None:
        """A new process is the scheduler."""
        store = store or self.store
        term = self.store.take_office("c1")
        self.term = term
        self.reporting = Reporting(
            store,
            self.cloud,
            Press(
                policy=self.policy,
                renderer=self.scribe,
                mailer=mailer or self.post,
                shelf=self.folder,
            ),
            Writer(store, "c1", term, lambda each: each == self.term),
            lambda: self.concerns,
            self.witness,
            stopping=lambda: self.stopping,
            clock=self.seconds,
        )

    def seconds(self) -> float:
        """The monotonic clock."""
        return (self.time - START).total_seconds()

    def obey(self, **changes: Any) -> None:
        """Other options, as after a reload."""
        values = {
            each: getattr(self.policy, each)
            for each in ("sender", "receivers", "operators", "period")
        }
        self.policy = receivers.Policy(**{**values, **changes})
        self.take_office()

    def end(
        self,
        *names: str,
        project: str = "pa",
        age: datetime.timedelta = DAY,
        **changes: Any,
    ) -> None:
        """Tasks of a project that have ended, made so long ago."""
        self.store.write_plan(
            self.term,
            ports.PlanRecord(
                tasks=[
                    samples.backup_task(
                        name,
                        **{
                            "state": task.State.FAILED,
                            "project_id": project,
                            "volume_id": f"volume of {name}",
                            "created_at": self.time - age,
                            "finished_at": self.time - age,
                            **changes,
                        },
                    )
                    for name in names
                ]
            ),
            "c1",
        )

    def round(self) -> None:
        self.reporting.round()

    def pass_time(self, duration: datetime.timedelta = DAY) -> None:
        self.time += duration

    # -- what is seen ------------------------------------------------------

    def told(self) -> dict[str, list[str]]:
        """Receivers and tasks of all messages that arrived."""
        found: dict[str, list[str]] = {}
        for letter in self.post.arrived:
            found.setdefault(", ".join(letter.to), []).extend(
                letter.what.text.splitlines()
            )
        return found

    def left(self) -> list[str]:
        """Ids of the tasks that are there."""
        return sorted(work.id for work in self.store.tasks())

    def not_done(self) -> int:
        return len(self.store.reports_not_done())

    def failing(self, *addresses: str) -> Callable[[tuple[str, ...]], bool]:
        """Refuses messages to any of these; without one to anybody."""
        return lambda to: not addresses or bool(set(addresses) & set(to))
