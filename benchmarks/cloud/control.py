# SPDX-License-Identifier: Apache-2.0
"""How a simulated cloud is steered from outside: a verb each."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks import memory
from benchmarks.cloud.behaviour import Behaviour
from benchmarks.cloud.counters import Counts
from benchmarks.cloud.exchange import Answer, Request
from benchmarks.cloud.state import State
from benchmarks.cloud.things import Volume


class Control:
    """Carries out what is told under ``/control/``.

    Each verb takes its values by name and returns what JSON has.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._verbs: Mapping[str, Callable[..., Any]] = {
            "behave": self._behave,
            "counts": self._counts,
            "cost": self._cost,
            "settle": self._settle,
            "revoke_tokens": state.keystone.revoke_all,
            "add_project": self._add_project,
            "add_user": self._add_user,
            "grant": state.people.grant,
            "add_volume": self._add_volume,
            "add_server": self._add_server,
            "change_volume": self._change_volume,
            "remove_volume": self._remove_volume,
            "set_quota": state.making.set_quota,
        }

    def answer(self, request: Request, path: str) -> Answer:
        """Carry out a verb; the result or what is wrong, as JSON."""
        verb = self._verbs.get(path.strip("/"))
        if verb is None or request.method != "POST":
            known = ", ".join(self._verbs)
            return _json(404, {"error": f"POST to one of these: {known}"})
        try:
            result = verb(**json.loads(request.body or b"{}"))
        except (KeyError, TypeError, ValueError) as error:
            return _json(400, {"error": f"{type(error).__name__}: {error}"})
        return _json(200, {"result": result})

    def _behave(self, **values: Any) -> None:
        known = self._state.behaviour.to_plain()
        self._state.behaviour = Behaviour.from_plain({**known, **values})

    def _counts(self, reset: bool) -> Mapping[str, Any]:
        found = self._state.counts
        if reset:
            self._state.counts = Counts()
        return found.to_plain()

    def _cost(self) -> Mapping[str, float]:
        return {
            "cpu": time.process_time(),
            "memory": memory.megabytes("VmHWM"),
        }

    def _settle(self, backup_ids: Sequence[str] | None, status: str) -> int:
        return self._state.making.settle(backup_ids, status)

    def _add_project(
        self, name: str, role: bool, parent_id: str | None
    ) -> str:
        return self._state.people.add_project(name, role, parent_id).id

    def _add_user(self, name: str, email: str | None, enabled: bool) -> str:
        return self._state.people.add_user(name, email, enabled).id

    def _add_volume(self, project_id: str, name: str, size: int) -> str:
        state = self._state
        now = state.making.now()
        return state.volumes.add(project_id, name, size, now).id

    def _add_server(
        self,
        project_id: str,
        name: str,
        volume_ids: Sequence[str],
        metadata: Mapping[str, str],
    ) -> str:
        state = self._state
        volumes = [self._volume(each) for each in volume_ids]
        made = state.servers.add(
            project_id, name, volume_ids, metadata, state.making.now()
        )
        for volume in volumes:
            volume.server_ids += (made.id,)
            volume.status = "in-use"
            state.volumes.keep(volume)
        return made.id

    def _change_volume(self, volume_id: str, status: str) -> None:
        volume = self._volume(volume_id)
        volume.status = status
        self._state.volumes.keep(volume)

    def _remove_volume(self, volume_id: str) -> None:
        self._state.volumes.remove(self._volume(volume_id))

    def _volume(self, volume_id: str) -> Volume:
        """:raises ValueError: there is none."""
        found = self._state.volumes.get(volume_id)
        if found is None:
            raise ValueError(f"there is no volume {volume_id}")
        return found


def _json(status: int, body: Mapping[str, Any]) -> Answer:
    return Answer(status, json.dumps(body).encode())
