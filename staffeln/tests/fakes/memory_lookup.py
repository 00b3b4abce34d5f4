# SPDX-License-Identifier: Apache-2.0
"""The check's look at a store that is in memory."""

from __future__ import annotations

from staffeln import ports
from staffeln.domain import checking, errors, task


class MemoryLookup:
    """Keeps the contract of ``ports.Lookup``.

    ``failure`` is raised where it is set; ``schema_is_current`` is what a
    test says.
    """

    def __init__(self, store: ports.Store) -> None:
        self._store = store
        self.schema_is_current = True
        self.failure: Exception | None = None

    def look(
        self,
        backup_id: str,
        volume_id: str | None,
        known_term: int | None = None,
    ) -> checking.Standing:
        if self.failure is not None:
            raise self.failure
        terms = self._store.terms(1000)
        if not terms:
            raise errors.StoreError("the database has no scheduler's term")
        found = self._store.get_backup(backup_id)
        deployment = self._store.deployment()
        bound = deployment.identity
        return checking.Standing(
            deployment_uuid=deployment.uuid,
            service_user=bound.user_id if bound else None,
            schema_is_current=self.schema_is_current,
            age=checking.Age(
                term=terms[0].number,
                holder=_holder(terms, terms[0].number),
                known_term=known_term,
                known_holder=_holder(terms, known_term),
            ),
            backup_state=found.state if found else None,
            unsettled_volume=volume_id is not None
            and self._is_unsettled(volume_id),
        )

    def _is_unsettled(self, volume_id: str) -> bool:
        for each in self._store.live_tasks([task.backup_slot(volume_id)]):
            if each.state is task.State.STARTING:
                return True
            if each.state is task.State.RUNNING and (
                self._store.get_backup(each.backup_id or "") is None
            ):
                return True
        return False


def _holder(terms: list[ports.Term], number: int | None) -> str:
    for each in terms:
        if each.number == number:
            return f"{each.conductor_id} {each.began_at.isoformat()}"
    return ""
