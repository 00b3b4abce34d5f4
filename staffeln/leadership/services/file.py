# SPDX-License-Identifier: Apache-2.0
"""The lock on a file of this host."""

from __future__ import annotations

from staffeln.leadership.address import FILE_NAME
from staffeln.leadership.services.base import Service


class File(Service):
    """A lock of the kernel's: it lasts as long as its process."""

    expires = False
    # A second lock on the file in this process would end the first one's
    # when it is collected.
    reconnects = True
    options_to_see = "state_path and [coordination] backend_url"

    def _options(self) -> dict[str, str]:
        return {}

    def _take(self) -> bool:
        if self._lock is None:
            self._lock = self._driver.get_lock(FILE_NAME.encode())
        return bool(self._lock.acquire(blocking=False))

    def give_back(self) -> None:
        if self._lock is not None:
            self._lock.release()
            # It counts attempts that failed as well, and would call itself
            # unreleased when it is collected.
            self._lock.acquired = False

    def disconnect(self) -> None:
        self.give_back()
        super().disconnect()

    def is_misconfigured(self, _error: Exception) -> bool:
        return True
