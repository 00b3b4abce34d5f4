# SPDX-License-Identifier: Apache-2.0
"""Holding the rows and Cinder's backups against each other, slowly.

A row whose backup no list shows is looked at by its id; only two answers
that Cinder does not know it, far enough apart, prove anything. A backup of
ours that has no row gets one; nothing is deleted by its metadata.
"""

from __future__ import annotations

import dataclasses
import datetime
import logging
from collections.abc import Iterable

from staffeln import ports
from staffeln.domain import errors, model, naming, selection
from staffeln.workflow import binding
from staffeln.workflow.clocks import Clocks
from staffeln.workflow.settings import Settings
from staffeln.workflow.writer import Writer

LOG = logging.getLogger(__name__)

MOST_LOOKED_AT = 1000
"""Rows that one reconciliation looks at by their ids; the next others."""

_ROWS = 5000
"""Rows that are held against one page of Cinder's."""

_FIRST = datetime.datetime(1970, 1, 1)  # noqa: DTZ001 - UTC, naive
_LAST = datetime.datetime(9999, 1, 1)  # noqa: DTZ001 - UTC, naive

_ADOPTABLE = frozenset({"available", "restoring"})
"""Statuses that imply that the data are there."""


@dataclasses.dataclass(slots=True)
class Outcome:
    """What a reconciliation found."""

    shown: int = 0
    """Backups that Cinder listed."""
    of_others: int = 0
    """Those of other deployments."""
    adopted: int = 0
    young: int = 0
    """Ours without a row that are too young to be adopted."""
    doubtful: list[str] = dataclasses.field(default_factory=list)
    """Ids of backups that say they are ours, and nothing else agrees."""
    missing: int = 0
    """Rows whose backup Cinder did not know when asked for it."""
    unlisted: int = 0
    """Rows whose backup was in no list."""


class Reconciliation:
    """One pass through all of Cinder's backups, newest first, in pages."""

    def __init__(
        self,
        store: ports.Store,
        cloud: ports.Cloud,
        settings: Settings,
        writer: Writer,
        clocks: Clocks,
    ) -> None:
        self._store = store
        self._cloud = cloud
        self._settings = settings
        self._writer = writer
        self._clocks = clocks
        self._outcome = Outcome()
        self._suspects: list[model.Backup] = []

    def run(self) -> Outcome | None:
        """Do it; None: the clocks are apart, and nothing was done.

        :raises CloudError: the list could not be read to its end; what was
            adopted until then stays.
        :raises WrongCloudError: the database belongs to another cloud.
        :raises OvertakenError: another scheduler took office.
        """
        deployment, _ = binding.prove(self._cloud, self._store)
        if not self._clocks.agree("Reconciliation does nothing"):
            return None
        newest = _LAST
        before: set[str] = set()
        for page in self._cloud.backup_pages():
            self._writer.go_on()
            for problem in page.problems:
                LOG.warning("Reconciliation: %s", problem)
            if not page.items:
                continue
            oldest = min(each.created_at for each in page.items)
            ids = {each.id for each in page.items}
            self._suspect(oldest, newest, ids | before)
            self._find_orphans(deployment, page.items)
            # Those of one moment may lie on several pages.
            before = ids | (before if oldest == newest else set())
            newest = oldest
        self._suspect(_FIRST, newest, before)
        self._look_at_suspects()
        self._tell()
        return self._outcome

    # -- rows without a backup ---------------------------------------------

    def _suspect(
        self,
        oldest: datetime.datetime,
        newest: datetime.datetime,
        listed: set[str],
    ) -> None:
        """Note available rows of a time that Cinder's list leaves out.

        :param oldest: not included: the next page may have more of it.
        """
        for row in self._store.made_between(oldest, newest, _ROWS):
            if (
                row.created_at > oldest
                and row.state is model.BackupState.AVAILABLE
                and row.missing_since is None
                and row.id not in listed
            ):
                self._outcome.unlisted += 1
                if len(self._suspects) < MOST_LOOKED_AT:
                    self._suspects.append(row)

    def _look_at_suspects(self) -> None:
        """Ask for each: the first of two proofs, retention gets the other."""
        unknown = []
        for row in self._suspects:
            self._writer.go_on()
            try:
                self._cloud.backup(row.id)
            except errors.NotFoundError:
                unknown.append(row)
            except errors.CloudError as error:
                LOG.warning("Backup %s was not looked at: %s", row.id, error)
        if unknown:
            # To others than administrators Cinder answers 404 as well.
            self._cloud.backup_services()
        now = self._store.now()
        for row in unknown:
            self._outcome.missing += self._store.note_missing(row, now)

    # -- backups without a row ---------------------------------------------

    def _find_orphans(
        self,
        deployment: model.Deployment,
        shown: Iterable[model.CloudBackup],
    ) -> None:
        claimed = {}
        for each in shown:
            self._outcome.shown += 1
            whose = naming.deployment_of(each.metadata)
            if whose == deployment.uuid:
                claimed[each.id] = each
            elif whose is not None:
                self._outcome.of_others += 1
        known = {row.id for row in self._store.backups(ids=claimed.keys())}
        rows = []
        for backup_id in claimed.keys() - known:
            row = self._adopted(deployment, claimed[backup_id])
            if row is not None:
                rows.append(row)
        if rows:
            self._writer.write(ports.PlanRecord(adopted=rows))
            self._outcome.adopted += len(rows)
            for row in rows:
                LOG.warning(
                    "Backup %s of volume %s is ours and had no row: adopted",
                    row.id,
                    row.volume_id,
                )

    def _adopted(
        self, deployment: model.Deployment, shown: model.CloudBackup
    ) -> model.Backup | None:
        """The row of an orphan, where all that is known agrees."""
        if shown.status not in _ADOPTABLE:
            return None
        age = self._store.now() - shown.created_at
        if age < self._settings.orphan_settle_time:
            # Its task may be about to find it.
            self._outcome.young += 1
            return None
        siblings = self._store.backups(volume_id=shown.volume_id)
        if not self._agrees(deployment, shown, siblings):
            self._outcome.doubtful.append(shown.id)
            return None
        like = siblings[0] if siblings else None
        attempt = naming.attempt_of(shown.metadata)
        return model.Backup(
            id=shown.id,
            project_id=shown.project_id,
            volume_id=shown.volume_id,
            volume_name=like.volume_name if like else "",
            server_id=like.server_id if like else "",
            server_name=like.server_name if like else "",
            task_id=naming.task_of(shown.metadata),
            attempt=attempt or 0,
            state=model.BackupState.AVAILABLE,
            incremental=shown.incremental,
            created_at=shown.created_at,
            completed_at=shown.created_at,
            size=shown.size,
            retention=selection.longest_retention(
                [
                    None,
                    *(each.retention for each in siblings),
                ],
                self._settings.retention.retention_time,
            ),
            reason="adopted: it had no row",
        )

    def _agrees(
        self,
        deployment: model.Deployment,
        shown: model.CloudBackup,
        siblings: list[model.Backup],
    ) -> bool:
        """Whether more than its metadata says that a backup is ours.

        Members can write metadata: the user who made it and the project of
        its volume have to agree.
        """
        identity = deployment.identity
        if identity is None or shown.user_id != identity.user_id:
            return False
        if any(each.project_id == shown.project_id for each in siblings):
            return True
        work = self._store.get_task(naming.task_of(shown.metadata) or "")
        if work is not None:
            return (work.project_id, work.volume_id) == (
                shown.project_id,
                shown.volume_id,
            )
        try:
            volume = self._cloud.volume(shown.volume_id)
        except errors.CloudError:
            return False
        return volume.project_id == shown.project_id

    def _tell(self) -> None:
        found = self._outcome
        LOG.info(
            "Reconciliation: %d backup(s) in Cinder, %d of other "
            "deployments, %d adopted, %d too young to be adopted; %d row(s) "
            "not listed, %d of those unknown to Cinder",
            found.shown,
            found.of_others,
            found.adopted,
            found.young,
            found.unlisted,
            found.missing,
        )
        if found.doubtful:
            LOG.warning(
                "Reconciliation: %d backup(s) name this deployment in their "
                "metadata, and their user or project does not agree: %s",
                len(found.doubtful),
                ", ".join(found.doubtful[:20]),
            )
        if found.unlisted > MOST_LOOKED_AT:
            LOG.error(
                "Reconciliation: %d rows name backups that Cinder does not "
                "list; %d of them were asked for. Has the database been "
                "restored, or does the list leave backups out?",
                found.unlisted,
                MOST_LOOKED_AT,
            )
