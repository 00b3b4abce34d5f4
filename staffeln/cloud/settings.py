# SPDX-License-Identifier: Apache-2.0
"""What the door to the cloud is opened with."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

SHORTEST_SECRET = 4
"""Shorter ones are in every text: nothing would be left of a message."""

_SECRET_WORDS = ("password", "secret", "passcode", "token", "_key")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Who the service is, and where that was read."""

    auth_type: str
    """Name of the keystoneauth plugin."""
    auth: Mapping[str, object] = dataclasses.field(repr=False)
    """The plugin's options; they hold the password."""
    source: str
    """Where they come from, in words for an operator."""
    region: str | None = None
    interface: str | None = None
    verify: bool | str = True
    """False: certificates are not checked; a text: the CA's file."""
    certificate: str | tuple[str, str] | None = None
    """Client certificate, alone or with its key."""
    endpoints: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Endpoints by service type that override the catalogue."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must never be printed."""
        return tuple(
            value
            for name, value in self.auth.items()
            if isinstance(value, str)
            and len(value) >= SHORTEST_SECRET
            and any(word in name for word in _SECRET_WORDS)
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CloudSettings:
    """How the cloud is talked to. Times are seconds."""

    credentials: Credentials
    retry_timeout: float = 300
    """How long one call is tried again; 0: never."""
    create_retry_timeout: float | None = None
    """How long a create call is tried again; None: as retry_timeout."""
    max_retry_interval: float = 30
    """The longest wait between two tries (unless the service asks for it)."""
    skip_retry_codes: frozenset[int] = frozenset({404})
    """HTTP status codes that are never tried again."""
    page_size: int = 1000
    connect_timeout: float = 10
    read_timeout: float = 60
    connections: int = 64
    """Connections to one host that are kept open; more are closed after each
    use."""
