# SPDX-License-Identifier: Apache-2.0
"""How one side is looked at: this host, the cloud, or the database."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterator

from staffeln.domain import errors, model
from staffeln.domain.findings import Finding, fine, not_checked
from staffeln.status.judging import of_cloud, of_database, of_host, of_policy
from staffeln.status.patient import Patient
from staffeln.workflow import witness

SEE_DATABASE = "see the database's log, and what is found under rights"


class OnHost:
    """What needs neither cloud nor database."""

    def __init__(self, patient: Patient) -> None:
        self._patient = patient

    def configuration(self) -> Iterator[Finding]:
        return of_host.configuration(self._patient.configured())

    def files(self) -> Iterator[Finding]:
        return of_host.files(self._patient.too_open())

    def coordination(self) -> Iterator[Finding]:
        found = self._patient.office()
        missing = found.missing_rights()
        if not missing:
            found.probe()
        return of_host.office(found, missing)

    def mail(self) -> Iterator[Finding]:
        said = self._patient.mail()
        yield fine(said or "no sender_email: reports go into the log")


class OfCloud:
    """What the services say of themselves.

    :ivar answers: whether Cinder does, as far as it was asked.
    """

    def __init__(self, patient: Patient) -> None:
        self._patient = patient
        self.answers = False

    def keystone(self) -> Iterator[Finding]:
        found = self._patient.inspection().account()
        roles = ", ".join(sorted(found.roles)) or "none"
        # The id last: a narrow terminal cuts the end off.
        yield fine(f"roles: {roles}; user {found.user_id}")

    def nova(self) -> Iterator[Finding]:
        found = self._patient.inspection().nova()
        witness.prove_shown(self._patient.cloud(), found.witnesses)
        yield fine(f"microversion {found.microversion} at {found.url}")

    def cinder(self) -> Iterator[Finding]:
        found = self._patient.inspection().cinder()
        # Which proves the rights that all lists need.
        self._patient.cloud().backup_services()
        self.answers = True
        yield fine(f"microversion {found.microversion} at {found.url}")

    def backup_services(self) -> Iterator[Finding]:
        return of_cloud.backup_services(
            self._patient.cloud().backup_services()
        )


class OfDatabase:
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
        return of_database.rights(self._patient.missing_rights())

    def galera(self) -> Iterator[Finding]:
        return of_database.galera(self._patient.database())

    def conductors(self) -> Iterator[Finding]:
        store = self._patient.store()
        try:
            mine = self._patient.office()
        except errors.StaffelnError:
            mine = None  # the check of coordination tells of it
        return of_database.conductors(
            store.conductors(),
            store.now(),
            self._patient.settings().heartbeat_timeout,
            mine,
            ever=store.freshness().cycle_at is not None,
        )

    def rounds(self) -> Iterator[Finding]:
        found = self._patient.store().freshness()
        return of_database.rounds(found, self._patient.freshness_limits())

    def brakes(self) -> Iterator[Finding]:
        store = self._patient.store()
        return of_database.brakes(store.brakes(), store.breaker())

    def policy(self) -> Iterator[Finding]:
        """A backup that there is not, and one that is managed."""
        door = self._patient.policy()
        status, text = door.ask(
            str(uuid.UUID(int=secrets.randbits(128), version=4))
        )
        if status != 200 or text != "True":
            problems = door.health()
            fault = of_policy.unmanaged_answer(
                door.url, status, text, problems
            )
            if fault:
                yield fault
        kept = [model.BackupState.AVAILABLE]
        try:
            managed = self._patient.store().backups(states=kept, limit=1)
        except errors.StoreError as error:
            # No fault of staffeln-api's, which has an account of its own.
            yield not_checked("managed-unread", str(error), SEE_DATABASE)
            return
        for each in managed:
            status, text = door.ask(each.id)
            fault = of_policy.managed_answer(door.url, each.id, status, text)
            if fault:
                yield fault
        yield fine(
            f"{door.url} protects managed backups"
            if managed
            else f"{door.url} answers; no managed backup to ask for"
        )
