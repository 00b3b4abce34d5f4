# SPDX-License-Identifier: Apache-2.0
"""From a request's path to the service, with what is to go wrong."""

from __future__ import annotations

import random

from benchmarks.cloud import behaviour, keystone
from benchmarks.cloud.behaviour import Behaviour, Failure
from benchmarks.cloud.cinder import Cinder
from benchmarks.cloud.control import Control
from benchmarks.cloud.counters import without_ids
from benchmarks.cloud.exchange import Answer, Fault, Request
from benchmarks.cloud.nova import Nova
from benchmarks.cloud.server import CLOSE, KEEP_SILENT
from benchmarks.cloud.state import State

_VERSIONS = {"identity": "/v3", "compute": "/v2.1", "volume": "/v3"}
_NO_ANSWER = 0
"""What is counted in the place of a status."""
_LENGTH_OF_ID = 32


class Application:
    """Carries requests out."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._control = Control(state)
        self._nova = Nova(
            state.shape, state.servers, state.url, state.page_limit
        )
        self._cinder = Cinder(
            state.shape,
            state.making,
            state.url,
            lambda: state.behaviour,
        )
        # Nothing secret: the same for the same seed.
        self._chance = random.Random(state.shape.seed)  # nosec B311
        self._serial = 0
        self._known: Behaviour | None = None
        self._failed: dict[int, int] = {}
        """How often each failure of a behaviour has happened."""

    def connected(self, path: str) -> None:
        """A client has opened a connection, and what it asks for first."""
        if not path.startswith("/control/"):
            self._state.counts.connections += 1

    def delay(self, path: str) -> float:
        """Seconds until a request is carried out."""
        service = path[1:].partition("/")[0]
        if service not in _VERSIONS:
            return 0.0
        known = self._state.behaviour
        seconds = known.latency_of(service)
        if known.jitter:
            seconds += self._chance.uniform(0, known.jitter)
        return seconds

    def carry_out(self, request: Request) -> Answer | str:
        """An answer, or how the connection goes on without one."""
        service, _, rest = request.path[1:].partition("/")
        if service == "control":
            return self._control.answer(request, rest)
        if service not in _VERSIONS:
            return Answer(404)
        path = _below(service, f"/{rest}")
        failure = self._failure(service, request.method, path)
        if failure is not None and failure.how == behaviour.CUT:
            self._count(service, request, path, _NO_ANSWER)
            return CLOSE
        if failure is not None and failure.how.isdecimal():
            fault = Fault(int(failure.how), "simulated", "it is to fail")
            answer = fault.answer()
        else:
            answer = self._ask(service, request, f"/{rest}")
        if failure is not None and not failure.how.isdecimal():
            self._count(service, request, path, _NO_ANSWER)
            return CLOSE if failure.how == behaviour.CUT_AFTER else KEEP_SILENT
        self._count(service, request, path, answer.status)
        self._state.counts.sent += len(answer.body)
        return self._with_request_id(service, answer)

    def _ask(self, service: str, request: Request, path: str) -> Answer:
        """What a service answers."""
        known = self._state.keystone
        try:
            if service == "identity":
                return known.answer(request, path)
            below = path.removeprefix(_VERSIONS[service])
            token = known.token(request)
            if service == "compute":
                return self._nova.answer(request, below, token)
            return self._cinder.answer(request, below, token)
        except Fault as fault:
            if service == "identity" or fault.status == 401:
                return keystone.fault_of(fault)
            return fault.answer()

    def _with_request_id(self, service: str, answer: Answer) -> Answer:
        self._serial += 1
        its_id = f"req-{self._state.shape.id_of('request', self._serial)}"
        headers: tuple[tuple[str, str], ...] = (
            ("x-openstack-request-id", its_id),
        )
        if service == "compute":
            headers += (("x-compute-request-id", its_id),)
        return Answer(answer.status, answer.body, answer.headers + headers)

    def _failure(self, service: str, method: str, path: str) -> Failure | None:
        """How a request is to fail, if it is."""
        known = self._state.behaviour
        if known is not self._known:
            self._known = known
            self._failed = {}
        for place, each in enumerate(known.failures):
            fits = (
                each.service in (None, service)
                and each.method in (None, method)
                and each.path in (None, path)
            )
            times = self._failed.get(place, 0)
            if not fits or (each.times is not None and times >= each.times):
                continue
            if self._chance.random() < each.share:
                self._failed[place] = times + 1
                return each
        return None

    def _count(
        self, service: str, request: Request, path: str, status: int
    ) -> None:
        self._state.counts.calls[service, request.method, path, status] += 1


def _below(service: str, path: str) -> str:
    """A path below the version (and the project), without ids."""
    found = path.removeprefix(_VERSIONS[service])
    if service == "volume" and found[_LENGTH_OF_ID + 1 :][:1] == "/":
        found = found[_LENGTH_OF_ID + 1 :]
    return without_ids(found)
