# SPDX-License-Identifier: Apache-2.0
"""What a doctor looks at: each check gets its facts, and judges them.

Nothing is changed anywhere: no mail is sent, no lease taken, no row written.
"""

from __future__ import annotations

import datetime
import itertools
import secrets
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from staffeln import ports
from staffeln.domain import breaker, errors, model, naming, task
from staffeln.domain.findings import (
    CHECKS,
    Finding,
    Result,
    fine,
    not_checked,
)
from staffeln.domain.selection import Rule
from staffeln.status import judging
from staffeln.status.doctor import AS_LONG, Check
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

_SEE_DATABASE = "see the database's log, and what is found under rights"
_SEE_CLOUD = "see the log of the service that is named"
_SEE_BOTH = "see the log of what is named, the database or a service"

SHARE = 0.8
"""Of a check's time: then it begins nothing more, and tells what it has."""


def all_checks(patient: Patient, limit: float) -> list[Check]:
    """All checks of a deployment.

    :param limit: seconds that each of them may take.
    """
    on_host = _OnHost(patient)
    cloud = _OfCloud(patient)
    database = _OfDatabase(patient)
    both = _OfBoth(patient, cloud, database, limit * AS_LONG * SHARE)
    bad = Result.ERROR
    add = _check
    return [
        add(
            "configuration",
            on_host.configuration,
            failing=bad,
            todo="correct the file, or name another one with --config-file",
        ),
        add("files", on_host.files, todo="see the rights of those files"),
        add(
            "keystone",
            cloud.keystone,
            failing=bad,
            todo="correct the credentials ([openstack], clouds.yaml or OS_* "
            "variables) or see Keystone's log",
        ),
        add(
            "nova",
            cloud.nova,
            needs=("keystone",),
            failing=bad,
            todo="see Nova's log, its endpoint in the catalogue ([openstack] "
            "interface, region_name) and the service user's role admin",
        ),
        add(
            "cinder",
            cloud.cinder,
            needs=("keystone",),
            failing=bad,
            todo="see Cinder's log, its endpoint in the catalogue "
            "([openstack] interface, region_name) and the service user's "
            "role admin",
        ),
        add(
            "backup-services",
            cloud.backup_services,
            needs=("cinder",),
            todo=_SEE_CLOUD,
        ),
        add(
            "database",
            database.database,
            failing=bad,
            todo="see [database] connection, and whether the database runs "
            "and lets this host in",
        ),
        add(
            "schema",
            database.schema,
            needs=("database",),
            failing=bad,
            todo="staffeln-db-manage version shows it",
        ),
        add(
            "rights",
            database.rights,
            needs=("schema",),
            todo="see the database's log",
        ),
        add(
            "galera", database.galera, needs=("database",), todo=_SEE_DATABASE
        ),
        add(
            "deployment",
            both.deployment,
            needs=("cinder", "schema"),
            failing=bad,
            todo="see whether [database] connection and the credentials are "
            "of the same deployment",
        ),
        add(
            "clocks",
            both.clocks,
            needs=("schema",),
            after=("cinder",),
            todo=_SEE_BOTH,
        ),
        add(
            "coordination",
            on_host.coordination,
            failing=bad,
            todo="see [coordination], and whether the service that it names "
            "runs and lets this host in",
        ),
        add(
            "conductors",
            database.conductors,
            needs=("schema",),
            todo=_SEE_DATABASE,
        ),
        add("rounds", database.rounds, needs=("schema",), todo=_SEE_DATABASE),
        add("brakes", database.brakes, needs=("schema",), todo=_SEE_DATABASE),
        add(
            "selection",
            both.selection,
            needs=("nova", "cinder"),
            todo=_SEE_CLOUD,
            long=True,
        ),
        add(
            "roles",
            both.roles,
            needs=("selection",),
            after=("schema",),
            todo=_SEE_BOTH,
            long=True,
        ),
        add(
            "quotas",
            both.quotas,
            needs=("selection",),
            todo=_SEE_CLOUD,
            long=True,
        ),
        add(
            "protection",
            both.protection,
            needs=("selection", "schema"),
            todo=_SEE_DATABASE,
            long=True,
        ),
        add(
            "orphans",
            both.orphans,
            needs=("deployment",),
            todo=_SEE_BOTH,
            long=True,
        ),
        add(
            "policy",
            database.policy,
            needs=("schema",),
            failing=bad,
            todo="start staffeln-api, or say with --policy-url where Cinder "
            "asks; --skip policy where Cinder does not",
        ),
        add(
            "mail",
            on_host.mail,
            failing=bad,
            todo="correct smtp_* and sender_* in [notification]; until then "
            "no report arrives",
        ),
    ]


def _check(
    name: str,
    look: Callable[[], Iterable[Finding]],
    *,
    needs: tuple[str, ...] = (),
    after: tuple[str, ...] = (),
    failing: Result = Result.NOT_CHECKED,
    todo: str,
    long: bool = False,
) -> Check:
    return Check(
        name=name,
        about=CHECKS[name],
        look=look,
        needs=needs,
        after=after,
        failing=failing,
        todo=todo,
        long=long,
    )


class _OnHost:
    """What needs neither cloud nor database."""

    def __init__(self, patient: Patient) -> None:
        self._patient = patient

    def configuration(self) -> Iterator[Finding]:
        return judging.configuration(self._patient.configured())

    def files(self) -> Iterator[Finding]:
        return judging.files(self._patient.too_open())

    def coordination(self) -> Iterator[Finding]:
        found = self._patient.office()
        missing = found.missing_rights()
        if not missing:
            found.probe()
        return judging.office(found, missing)

    def mail(self) -> Iterator[Finding]:
        said = self._patient.mail()
        yield fine(said or "no sender_email: reports go into the log")


class _OfCloud:
    """What the services say of themselves.

    :ivar answers: whether Cinder does, as far as it was asked.
    """

    def __init__(self, patient: Patient) -> None:
        self._patient = patient
        self.answers = False

    def keystone(self) -> Iterator[Finding]:
        found = self._patient.inspection().account()
        roles = ", ".join(found.roles) or "none"
        yield fine(f"user {found.user_id}, roles: {roles}")

    def nova(self) -> Iterator[Finding]:
        found = self._patient.inspection().nova()
        yield fine(f"microversion {found.microversion} at {found.url}")

    def cinder(self) -> Iterator[Finding]:
        found = self._patient.inspection().cinder()
        # Which proves the rights that all lists need.
        self._patient.cloud().backup_services()
        self.answers = True
        yield fine(f"microversion {found.microversion} at {found.url}")

    def backup_services(self) -> Iterator[Finding]:
        return judging.backup_services(self._patient.cloud().backup_services())


class _OfDatabase:
    """What the database tells.

    :ivar answers: whether it does, as far as it was asked.
    """

    def __init__(self, patient: Patient) -> None:
        self._patient = patient
        self.answers = False

    def database(self) -> Iterator[Finding]:
        found = self._patient.database()
        yield fine(f"{found.server} at {found.where}")

    def schema(self) -> Iterator[Finding]:
        self._patient.store()
        self.answers = True
        yield fine("that of this release")

    def rights(self) -> Iterator[Finding]:
        return judging.rights(self._patient.missing_rights())

    def galera(self) -> Iterator[Finding]:
        return judging.galera(self._patient.database())

    def conductors(self) -> Iterator[Finding]:
        store = self._patient.store()
        try:
            mine = self._patient.office()
        except errors.StaffelnError:
            mine = None  # the check of coordination tells of it
        return judging.conductors(
            store.conductors(),
            store.now(),
            self._patient.settings().heartbeat_timeout,
            mine,
            ever=store.freshness().cycle_at is not None,
        )

    def rounds(self) -> Iterator[Finding]:
        found = self._patient.store().freshness()
        return judging.rounds(found, self._patient.freshness_limits())

    def brakes(self) -> Iterator[Finding]:
        store = self._patient.store()
        return judging.brakes(store.brakes(), store.breaker())

    def policy(self) -> Iterator[Finding]:
        """A backup that there is not, and one that is managed."""
        door = self._patient.policy()
        status, text = door.ask(
            str(uuid.UUID(int=secrets.randbits(128), version=4))
        )
        if status != 200 or text != "True":
            problems = door.health()
            fault = judging.unmanaged_answer(door.url, status, text, problems)
            if fault:
                yield fault
        kept = [model.BackupState.AVAILABLE]
        try:
            managed = self._patient.store().backups(states=kept, limit=1)
        except errors.StoreError as error:
            # No fault of staffeln-api's, which has an account of its own.
            yield not_checked("managed-unread", str(error), _SEE_DATABASE)
            return
        for each in managed:
            status, text = door.ask(each.id)
            fault = judging.managed_answer(door.url, each.id, status, text)
            if fault:
                yield fault
        yield fine(
            f"{door.url} protects managed backups"
            if managed
            else f"{door.url} answers; no managed backup to ask for"
        )


class _OfBoth:
    """What cloud and database tell together.

    :param seconds: after which a check that reads much begins nothing more.
    """

    def __init__(
        self,
        patient: Patient,
        cloud: _OfCloud,
        database: _OfDatabase,
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
        return judging.deployment(
            found, backup_key_is_set=self._patient.backup_key_is_set()
        )

    def clocks(self) -> Iterator[Finding]:
        tolerance = self._patient.settings().clock_tolerance
        times = {}
        unread = None
        if self._cloud.answers:
            times["Cinder"] = self._patient.cloud().time()
        else:
            unread = "Cinder cannot be asked, see there"
        times["the database"] = self._patient.store().now()
        times["this host"] = self._patient.host_time()
        apart = breaker.clocks_apart(times, tolerance)
        return judging.clocks(apart, unread, tolerance)

    def selection(self) -> Iterator[Finding]:
        rule = self._rule()
        return judging.selection(self._inventory(), rule.in_words())

    def roles(self) -> Iterator[Finding]:
        """Of each project, a token; some at a time."""
        inspection = self._patient.inspection()
        volumes = judging.by_project(self._inventory())
        managed, unknown = self._with_backups()
        projects = [*volumes, *sorted(managed - volumes.keys())]
        found = ask_all(projects, inspection.roles, self._seconds)
        account = inspection.account()
        enabled = self._enabled(found.values())
        for project_id, answer in found.items():
            fault = judging.role(
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
            yield judging.unfinished(
                "roles-left", left, len(projects), "projects", self._seconds
            )
        yield fine(f"in {len(projects)} project(s){unknown}")

    def quotas(self) -> Iterator[Finding]:
        """Of each project with selected volumes; some at a time."""
        cloud = self._patient.cloud()
        projects = sorted(judging.by_project(self._inventory()))
        found = ask_all(projects, cloud.quotas, self._seconds)
        for project_id, answer in found.items():
            fault = judging.quota(project_id, answer)
            if fault:
                yield fault
        left = len(projects) - len(found)
        if left:
            yield judging.unfinished(
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
                fault = judging.protection(each, history, now, stale_after)
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
                yield judging.orphan(each)
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
