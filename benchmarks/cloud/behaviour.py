# SPDX-License-Identifier: Apache-2.0
"""How a simulated cloud behaves; all of it can change while it runs."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

SERVICES = ("identity", "compute", "volume")
"""Keystone, Nova and Cinder, by the first part of their paths."""

CUT = "cut"
"""The connection ends instead of an answer; nothing was done."""
CUT_AFTER = "cut-after"
"""It was done, and the connection ends instead of an answer."""
SILENCE = "silence"
"""It was done, and no answer ever comes."""
WAYS_TO_FAIL = (CUT, CUT_AFTER, SILENCE)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A share of some requests fails."""

    share: float = 1.0
    how: str = "503"
    """An HTTP status (nothing was done), or one of WAYS_TO_FAIL."""
    service: str | None = None
    """None: all."""
    method: str | None = None
    path: str | None = None
    """With ``{id}`` in the place of ids, as in the counters."""
    times: int | None = None
    """After so many it is over; None: never."""

    def __post_init__(self) -> None:
        """:raises ValueError: nothing can fail in that way."""
        if self.how in WAYS_TO_FAIL:
            return
        if not self.how.isdecimal() or not 400 <= int(self.how) < 600:
            raise ValueError(f"requests cannot fail by {self.how!r}")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """Times are seconds."""

    latency: float = 0.0
    """From a request to its answer, at least."""
    latencies: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """The same for single services, by :data:`SERVICES`."""
    jitter: float = 0.0
    """Up to so much more, at random."""
    failures: tuple[Failure, ...] = ()
    page_limit: int | None = None
    """The largest page; None: the shape's."""
    backup_time: float = math.inf
    """The median of what a backup takes; inf: until it is settled."""
    backup_spread: float = 0.0
    """Standard deviation of its logarithm (the distribution is lognormal)."""
    backup_errors: float = 0.0
    """Which share of the backups ends with an error."""
    delete_time: float = math.inf
    """What a deletion takes; inf: until it is settled."""
    delete_errors: float = 0.0
    services_up: int | None = None
    """How many of the cinder-backup services are up; None: all."""
    token_lifetime: float = 3600.0
    clock_ahead: float = 0.0
    """How far the cloud's clock is ahead of this host's."""

    def __post_init__(self) -> None:
        """:raises ValueError: it names a service that there is not."""
        for name in self.latencies:
            if name not in SERVICES:
                raise ValueError(f"there is no service {name!r}")

    def to_plain(self) -> dict[str, Any]:
        """As values that JSON has."""
        values = dataclasses.asdict(self)
        for name in ("backup_time", "delete_time"):
            if values[name] == math.inf:
                values[name] = None
        return values

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> Behaviour:
        """What :meth:`to_plain` made, or a part of it.

        :raises TypeError, ValueError: no such behaviour.
        """
        found = dict(values)
        for name in ("backup_time", "delete_time"):
            if name in found and found[name] is None:
                found[name] = math.inf
        if "failures" in found:
            found["failures"] = tuple(
                Failure(**each) for each in found["failures"]
            )
        return cls(**found)

    def latency_of(self, service: str) -> float:
        """Seconds until a service answers, at least."""
        return self.latencies.get(service, self.latency)
