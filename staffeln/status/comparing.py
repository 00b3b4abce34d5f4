# SPDX-License-Identifier: Apache-2.0
"""What only cloud and database together tell."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

from staffeln import ports
from staffeln.domain import breaker, errors, model, naming, task
from staffeln.domain.findings import Finding, fine
from staffeln.domain.selection import Rule
from staffeln.status.judging import of_cloud, of_database
from staffeln.status.looks import OfCloud, OfDatabase
from staffeln.status.parallel import ask_all
from staffeln.status.patient import Patient, once
from staffeln.workflow import binding
from staffeln.workflow.harvest import harvest

PAGE = 500
"""Volumes whose past is read at a time."""

MOST_PAGES = 20
"""Pages of Cinder's backups that are looked at, the newest first."""

MOST_PROJECTS = 100_000
"""Projects whose managed backups are counted."""

_EVER = datetime.datetime(1970, 1, 1)  # noqa: DTZ001 - UTC, naive
"""No backup is older."""


class OfBoth:
    """What cloud and database tell together.

    :param seconds: after which a check that reads much begins nothing more.
    """

    def __init__(
        self,
        patient: Patient,
        cloud: OfCloud,
        database: OfDatabase,
        seconds: float,
    ) -> None:
        self._patient = patient
        self._cloud = cloud
        self._database = database
        self._seconds = seconds
        self._inventory = once(self._harvest)

    def deployment(self) -> Iterator[Finding]:
        found, _ = binding.prove(
            self._patient.cloud(), self._patient.store(), bind=False
        )
        return of_database.deployment(
            found, backup_key_is_set=self._patient.backup_key_is_set()
        )

    def clocks(self) -> Iterator[Finding]:
        tolerance = self._patient.settings().clock_tolerance
        times = {}
        unread = None
        if self._cloud.answers:
            times["Cinder"] = self._patient.cloud().time()
        else:
            unread = "it cannot be asked"
        times["the database"] = self._patient.store().now()
        times["this host"] = self._patient.host_time()
        apart = breaker.clocks_apart(times, tolerance)
        return of_database.clocks(apart, unread, tolerance)

    def selection(self) -> Iterator[Finding]:
        rule = self._rule()
        return of_cloud.selection(self._inventory(), rule.in_words())

    def roles(self) -> Iterator[Finding]:
        """Of each project, a token; some at a time."""
        inspection = self._patient.inspection()
        volumes = of_cloud.by_project(self._inventory())
        managed, unknown = self._with_backups()
        projects = [*volumes, *sorted(managed - volumes.keys())]
        found = ask_all(projects, inspection.roles, self._seconds)
        account = inspection.account()
        enabled = self._enabled(found.values())
        for project_id, answer in found.items():
            fault = of_cloud.role(
                project_id,
                answer,
                volumes.get(project_id, 0),
                enabled=enabled.get(project_id),
                user_id=account.user_id,
            )
            if fault:
                yield fault
        left = len(projects) - len(found)
        if left:
            yield of_cloud.unfinished(
                "roles-left", left, len(projects), "projects", self._seconds
            )
        yield fine(f"in {len(projects)} project(s){unknown}")

    def quotas(self) -> Iterator[Finding]:
        """Of each project with selected volumes; some at a time."""
        cloud = self._patient.cloud()
        projects = sorted(of_cloud.by_project(self._inventory()))
        found = ask_all(projects, cloud.quotas, self._seconds)
        for project_id, answer in found.items():
            fault = of_cloud.quota(project_id, answer)
            if fault:
                yield fault
        left = len(projects) - len(found)
        if left:
            yield of_cloud.unfinished(
                "quotas-left", left, len(projects), "projects", self._seconds
            )
        yield fine(f"room in {len(projects)} project(s)")

    def protection(self) -> Iterator[Finding]:
        store = self._patient.store()
        stale_after = self._patient.settings().protection.stale_after
        candidates = self._inventory().candidates
        now = store.now()
        nothing = model.History()
        for start in range(0, len(candidates), PAGE):
            page = candidates[start : start + PAGE]
            # No chains: how long a chain is does not matter here.
            histories = store.histories(
                [each.volume.id for each in page], _EVER
            )
            for each in page:
                history = histories.get(each.volume.id, nothing)
                fault = of_database.protection(each, history, now, stale_after)
                if fault:
                    yield fault
        yield fine(f"{len(candidates)} selected volume(s)")

    def orphans(self) -> Iterator[Finding]:
        """In so many pages of the newest backups of Cinder."""
        store = self._patient.store()
        deployment = store.deployment()
        if deployment.identity is None:
            yield fine("the database is bound to no cloud yet")
            return
        looked_at = 0
        total: int | None = None
        pages = self._patient.cloud().backup_pages()
        for page in itertools.islice(pages, MOST_PAGES):
            total = page.total if page.total is not None else total
            looked_at += len(page.items)
            for each in self._without_row(store, deployment, page.items):
                yield of_cloud.orphan(each)
        shown = f"among the newest {looked_at} of {total}"
        if total is None or looked_at >= total:
            shown = f"among {looked_at}"
        yield fine(f"none {shown} backups in Cinder")

    # -- facts ---------------------------------------------------------------

    def _harvest(self) -> model.Inventory:
        return harvest(
            self._patient.cloud(),
            self._rule(),
            None,
            now=self._patient.host_time(),
        )

    def _rule(self) -> Rule:
        return self._patient.settings().rule

    def _with_backups(self) -> tuple[set[str], str]:
        """Projects with managed backups; and what to say if nobody knows."""
        if not self._database.answers:
            return set(), " with selected volumes"
        found = self._patient.store().census(MOST_PROJECTS)
        return {
            each.project_id for each in found.projects if each.project_id
        }, ""

    def _enabled(self, answers: Iterable[object]) -> Mapping[str, bool]:
        """Which projects are enabled, where one was refused."""
        if not any(isinstance(each, errors.NoRoleError) for each in answers):
            return {}
        try:
            return self._patient.cloud().projects()
        except errors.CloudError:
            return {}

    @staticmethod
    def _without_row(
        store: ports.Store,
        deployment: model.Deployment,
        shown: Sequence[model.CloudBackup],
    ) -> Iterator[model.CloudBackup]:
        """Backups of ours that nobody is about to write a row of.

        Members write metadata: the user who made it has to be ours as well.
        """
        user_id = deployment.identity and deployment.identity.user_id
        ours = {
            each.id: each
            for each in shown
            if naming.deployment_of(each.metadata) == deployment.uuid
            and each.user_id in (None, user_id)
        }
        known = {row.id for row in store.backups(ids=list(ours))}
        for each in ours.values():
            if each.id in known:
                continue
            work = store.get_task(naming.task_of(each.metadata) or "")
            if work is not None and work.state in task.HELD:
                continue
            # Its task may have ended since the rows were read.
            if store.get_backup(each.id) is None:
                yield each
