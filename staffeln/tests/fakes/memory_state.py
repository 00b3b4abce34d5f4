# SPDX-License-Identifier: Apache-2.0
"""What a store in memory holds, and who is there to use it."""

from __future__ import annotations

import dataclasses
import datetime
import threading
import uuid
from collections.abc import Callable

from staffeln import ports
from staffeln.domain import errors, model, task


class MemoryState:
    """The tables, with the deployment, its conductors and their office."""

    def __init__(
        self, clock: Callable[[], datetime.datetime] | None = None
    ) -> None:
        self._clock = clock or _host_time
        self._lock = threading.RLock()
        self._deployment = model.Deployment(
            uuid=str(uuid.uuid4()),
            identity=None,
            adopted=False,
            selected_volumes=None,
        )
        self._conductors: dict[str, ports.Conductor] = {}
        self._term = 0
        self._tasks: dict[str, task.Task] = {}
        self._events: list[task.Event] = []
        self._backups: dict[str, model.Backup] = {}
        self._records: dict[str, model.VolumeRecord] = {}
        self._terms: list[ports.Term] = []
        self._brakes: dict[tuple[task.Kind, str], model.Brake] = {}
        self._seats: set[str] = set()
        """Ended tasks whose backup Cinder goes on with."""
        self._breaker: model.Breaker | None = None
        self._reconciled_at: datetime.datetime | None = None

    def now(self) -> datetime.datetime:
        return self._clock()

    # -- the deployment ----------------------------------------------------

    def deployment(self) -> model.Deployment:
        return self._deployment

    def bind_cloud(self, identity: model.CloudIdentity) -> None:
        with self._lock:
            if self._deployment.identity is None:
                self._deployment = dataclasses.replace(
                    self._deployment, identity=identity
                )

    def rebind_cloud(self, identity: model.CloudIdentity) -> None:
        with self._lock:
            self._deployment = dataclasses.replace(
                self._deployment, identity=identity
            )

    # -- conductors --------------------------------------------------------

    def register_conductor(
        self, conductor_id: str, host: str, pid: int, backend: str
    ) -> None:
        now = self.now()
        with self._lock:
            if conductor_id in self._conductors:
                raise errors.StoreError(f"conductor {conductor_id} has a row")
            self._conductors[conductor_id] = ports.Conductor(
                id=conductor_id,
                host=host,
                pid=pid,
                backend=backend,
                started_at=now,
                heartbeat_at=now,
            )

    def heartbeat(self, conductor_id: str) -> bool:
        with self._lock:
            known = self._conductors.get(conductor_id)
            if known is None:
                return False
            self._conductors[conductor_id] = dataclasses.replace(
                known, heartbeat_at=self.now()
            )
            return True

    def unregister_conductor(
        self, conductor_id: str, seen: datetime.datetime | None = None
    ) -> bool:
        with self._lock:
            known = self._conductors.get(conductor_id)
            if known is None or seen not in (None, known.heartbeat_at):
                return False
            del self._conductors[conductor_id]
            return True

    def conductors(self) -> list[ports.Conductor]:
        with self._lock:
            return sorted(
                self._conductors.values(),
                key=lambda each: (each.started_at, each.id),
            )

    # -- the scheduler -----------------------------------------------------

    def take_office(self, conductor_id: str) -> int:
        with self._lock:
            self._term += 1
            self._terms.insert(
                0,
                ports.Term(
                    number=self._term,
                    conductor_id=conductor_id,
                    began_at=self.now(),
                ),
            )
            return self._term

    def terms(self, limit: int) -> list[ports.Term]:
        return self._terms[:limit]

    def _fence(self, term: int) -> None:
        if term != self._term:
            raise errors.OvertakenError(f"term {term} is over")


def _host_time() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
