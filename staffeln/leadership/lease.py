# SPDX-License-Identifier: Apache-2.0
"""The office as a Lease of Kubernetes (coordination.k8s.io/v1).

The rules are those by which Kubernetes' own components elect a leader. Who
waits believes only what it saw itself: when the Lease has not changed for
the duration written in it, its holder is gone. Times in the Lease are for
people to read; no clock is compared with another one.
"""

from __future__ import annotations

import datetime
import json
import logging
import uuid
from collections.abc import Callable
from typing import Any

from staffeln.domain import errors
from staffeln.leadership.access import check, namespace
from staffeln.leadership.apiserver import ApiServer, Json, one_line
from staffeln.leadership.holding import boot_time
from staffeln.leadership.settings import Settings

__all__ = ["Lease", "check", "namespace"]

LOG = logging.getLogger(__name__)

VERBS = ("get", "create", "update")
"""What the office needs to be allowed."""
_LONGEST_DURATION = 3600
"""Seconds: the most that ``lease_duration`` takes. Nobody who keeps the
rules writes more."""
_TRANSITIONS = 2**31
"""The field is a number of 32 bits with a sign."""


class Lease:
    """One contender for a Lease."""

    expires = True

    def __init__(
        self,
        settings: Settings,
        holder: str,
        clock: Callable[[], float] = boot_time,
    ) -> None:
        """:param holder: the conductor's id; the Lease shows it.

        :raises ConfigurationError: there is no way to the API server.
        """
        check(settings)
        self._server = ApiServer(settings, holder)
        self._duration = settings.lease_duration
        self._clock = clock
        # Of this object alone: another one in a process of the same name,
        # or after a restart, is another contender.
        self._identity = f"{holder}_{uuid.uuid4().hex}"
        self._mine: Json | None = None
        """The Lease as it was when we last wrote it."""
        self._seen: tuple[str, float] = ("", 0.0)
        """Somebody else's record, and when we first saw it so."""
        self._told = ""

    @property
    def description(self) -> str:
        """The API server and the Lease in words."""
        server = self._server
        return f"Lease {server.namespace}/{server.name} at {server.host}"

    def probe(self, timeout: float) -> None:
        """Read the Lease once; it need not exist."""
        self._server.get(timeout)

    def missing_rights(self, timeout: float) -> list[str]:
        """The verbs that this account may not use on the Lease.

        Kubernetes is asked what it would allow; the Lease stays as it is.

        :raises CoordinationError: no answer.
        :raises ConfigurationError: it does not tell.
        """
        return [verb for verb in VERBS if not self._server.may(verb, timeout)]

    def acquire(self, timeout: float) -> bool:
        """Try once to take the Lease; False: somebody else has it."""
        until = self._clock() + timeout
        self._mine = None
        found = self._server.get(timeout)
        if found is None:
            self._mine = self._server.create(
                self._record(transitions=0), until - self._clock()
            )
        elif self._is_free(found):
            self._mine = self._server.replace(
                found,
                self._record(transitions=self._next_transition(found)),
                until - self._clock(),
            )
        return self._mine is not None

    def renew(self, timeout: float) -> bool:
        """Write a new time into the Lease; False: it is not ours."""
        return self._rewrite(self._renewed, timeout)

    def release(self, timeout: float) -> None:
        """Leave the Lease without a holder, if it is ours."""
        try:
            self._rewrite(self._vacant, timeout)
        except errors.ConfigurationError as error:
            # The account lost its rights: it goes when it expires.
            raise errors.CoordinationError(str(error)) from error
        finally:
            self._mine = None

    def close(self) -> None:
        """Close all connections."""
        self._server.close()

    # -- what is written ---------------------------------------------------

    def _rewrite(
        self, change: Callable[[Json], dict[str, Any]], timeout: float
    ) -> bool:
        """Change our Lease; False: it is not ours.

        A conflict may come of an earlier write of ours that was carried out
        without an answer, or of somebody's label on it: the Lease is read,
        and written again while it names us. That it names us is not enough,
        for others count from when it changed.
        """
        until = self._clock() + timeout
        if self._mine is None:
            return False
        written = self._server.replace(
            self._mine, change(_spec(self._mine)), timeout
        )
        if written is None:
            found = self._server.get(until - self._clock())
            if found is None or not self._is_mine(found):
                self._mine = None
                return False
            self._mine = found
            written = self._server.replace(
                found, change(_spec(found)), until - self._clock()
            )
        if written is None:
            raise errors.CoordinationError(
                f"{self.description} changes while it is written"
            )
        self._mine = written
        return True

    def _record(self, *, transitions: int) -> dict[str, Any]:
        now = _now()
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": self._duration,
            "acquireTime": now,
            "renewTime": now,
            "leaseTransitions": transitions,
        }

    def _renewed(self, spec: Json) -> dict[str, Any]:
        return dict(spec) | {
            "leaseDurationSeconds": self._duration,
            "renewTime": _now(),
        }

    def _vacant(self, spec: Json) -> dict[str, Any]:
        return dict(spec) | {
            "holderIdentity": "",
            "leaseDurationSeconds": 1,
            "renewTime": _now(),
        }

    def _next_transition(self, found: Json) -> int:
        spec = _spec(found)
        transitions = _number(spec.get("leaseTransitions"))
        if spec.get("holderIdentity") == self._identity:
            return transitions  # an unanswered write of our own
        return (transitions + 1) % _TRANSITIONS

    # -- what is read ------------------------------------------------------

    def _is_mine(self, found: Json) -> bool:
        return (
            self._mine is not None
            and found["metadata"]["uid"] == self._mine["metadata"]["uid"]
            and _spec(found).get("holderIdentity") == self._identity
        )

    def _is_free(self, found: Json) -> bool:
        """Whether we may take it, by what we have seen of it ourselves."""
        spec = _spec(found)
        holder = spec.get("holderIdentity")
        if not holder or holder == self._identity:
            return True
        # Without the rest of its metadata: a label is no sign of life.
        record = json.dumps([found["metadata"]["uid"], spec], sort_keys=True)
        known, since = self._seen
        if record != known:
            self._seen = (record, self._clock())
            self._mind_duration(spec)
            return False
        return self._clock() - since >= self._duration_of(spec)

    def _duration_of(self, spec: Json) -> float:
        """Seconds after which the holder of a record is gone."""
        seconds = _number(spec.get("leaseDurationSeconds"))
        return min(seconds or self._duration, _LONGEST_DURATION)

    def _mind_duration(self, spec: Json) -> None:
        given = spec.get("leaseDurationSeconds")
        taken = self._duration_of(spec)
        text = ""
        if given != taken:
            text = (
                f"{self.description} names the holder "
                f"{one_line(spec.get('holderIdentity'))} and "
                f"leaseDurationSeconds {one_line(given)}: {taken:g} s are "
                "taken instead"
            )
        if text and text != self._told:
            LOG.warning("The %s", text)
        self._told = text


def _spec(found: Json) -> Json:
    """What a Lease says; anybody may have left it empty."""
    spec = found.get("spec")
    return spec if isinstance(spec, dict) else {}


def _number(value: object) -> int:
    """A number that can be counted with; 0 for everything else."""
    return value if isinstance(value, int) and value > 0 else 0


def _now() -> str:
    """The time as a MicroTime: always six digits, always with a zone."""
    return datetime.datetime.now(datetime.UTC).strftime(
        "%Y-%m-%dT%H:%M:%S.%fZ"
    )
