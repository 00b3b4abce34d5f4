# SPDX-License-Identifier: Apache-2.0
"""What a simulated cloud was asked."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

_IDS = re.compile(
    r"(?<=/)([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{32})(?=/|$)"
)

Call = tuple[str, str, str, int]
"""Service, method, path below its version with ``{id}``, HTTP status.

The status is 0 where the connection was cut or no answer came.
"""


def without_ids(path: str) -> str:
    """A path with ``{id}`` in the place of each id."""
    return _IDS.sub("{id}", path)


@dataclasses.dataclass(slots=True)
class Counts:
    """Counted since the last reset."""

    calls: Counter[Call] = dataclasses.field(default_factory=Counter)
    tokens: Counter[str] = dataclasses.field(default_factory=Counter)
    """Tokens that were given, by the project's id."""
    sent: int = 0
    """Bytes of all answers."""
    connections: int = 0
    """That were opened."""

    def of(self, method: str, path: str, service: str | None = None) -> int:
        """How many calls there were, whatever came of them.

        :param path: as in :data:`Call`, such as ``/volumes/detail``.
        """
        return sum(
            count
            for call, count in self.calls.items()
            if call[1:3] == (method, path)
            and (service is None or call[0] == service)
        )

    @property
    def lists(self) -> int:
        """Pages of servers, volumes and backups that were read."""
        return sum(
            self.of("GET", f"/{each}/detail")
            for each in ("servers", "volumes", "backups")
        )

    def to_plain(self) -> dict[str, Any]:
        """As values that JSON has."""
        return {
            "calls": [[*call, count] for call, count in self.calls.items()],
            "tokens": self.tokens,
            "sent": self.sent,
            "connections": self.connections,
        }

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> Counts:
        """What :meth:`to_plain` made."""
        return cls(
            calls=Counter(
                {
                    (service, method, path, status): count
                    for service, method, path, status, count in values["calls"]
                }
            ),
            tokens=Counter(values["tokens"]),
            sent=values["sent"],
            connections=values["connections"],
        )
