# SPDX-License-Identifier: Apache-2.0
"""What is alike in all services."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

from staffeln.leadership.address import Address
from staffeln.leadership.settings import Settings

with warnings.catch_warnings():
    # A library beneath looks for eventlet, whose import warns.
    warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
    from tooz import coordination

_REFUSALS = frozenset(
    {
        "AuthFailedError",
        "AuthenticationError",
        "NoAuthError",
        "NoPermissionError",
    }
)
"""Errors of the clients by which a service refuses a login or a right."""


class Service:
    """A connection to a service, and the lock in it.

    Any method may raise whatever the client beneath raises.
    """

    expires: ClassVar[bool] = True
    reconnects: ClassVar[bool] = False
    """Whether it can be asked again after an error."""
    options_to_see: ClassVar[str] = "[coordination] backend_url"

    def __init__(
        self, address: Address, holder: str, settings: Settings
    ) -> None:
        self.gone = False
        """Whether its connection ended for good."""
        self.lock_name = settings.lease_name.encode()
        self._settings = settings
        self._connected = False
        # One that hangs leaves time for another within the deadline.
        self._limit = settings.lease_renew_deadline / 2
        options: dict[str, Any] = {
            name: value
            for name, value in self._options().items()
            if name not in address.options
        }
        with warnings.catch_warnings():
            # It is ours to say, and said at the start.
            warnings.simplefilter("ignore", DeprecationWarning)
            # Any: see the module's words on attributes.
            self._driver: Any = coordination.get_coordinator(
                address.url, holder.encode(), **options
            )
        self._lock: Any = None

    def _options(self) -> dict[str, Any]:
        """What the driver is told where the URL says nothing."""
        return {"lock_timeout": str(self._settings.lease_duration)}

    def connect(self) -> None:
        """Connect and log in; takes nothing."""
        self._driver.start(start_heart=False)
        self._connected = True

    def probe(self) -> None:
        """See whether the lock could be had; takes nothing, makes nothing."""
        self.connect()

    def acquire(self) -> bool:
        """Try once to take the lock."""
        if not self._connected:
            self.connect()
        return self._take()

    def _take(self) -> bool:
        self._lock = self._driver.get_lock(self.lock_name)
        return bool(self._lock.acquire(blocking=False))

    def prove(self) -> bool:
        """Whether the lock is ours, with its time begun anew."""
        if hasattr(self._lock, "heartbeat"):
            self._lock.heartbeat()
        return bool(self._lock.is_still_owner())

    def give_back(self) -> None:
        """Release the lock if it is ours."""
        if self._lock is not None and self._lock.is_still_owner():
            self._lock.release()

    def disconnect(self) -> None:
        """Let go of the connection; harmless when done."""
        if self._connected:
            self._connected = False
            self._driver.stop()

    def is_misconfigured(self, error: Exception) -> bool:
        """Whether no try with these settings can succeed."""
        return type(root_cause(error)).__name__ in _REFUSALS


def root_cause(error: BaseException) -> BaseException:
    """The error of the client beneath, which tooz wraps."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error
