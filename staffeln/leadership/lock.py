# SPDX-License-Identifier: Apache-2.0
"""The office as a lock of tooz: today the one on a file.

The lock is the kernel's: it is free as soon as its holder is gone, however
that ended, and it is never lost while the holder lives.
"""

from __future__ import annotations

import logging
import os
import warnings

from staffeln.domain import errors

with warnings.catch_warnings():
    # A library beneath looks for eventlet, whose import warns.
    warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
    from tooz import ToozError, coordination
    from tooz.drivers import file

LOG = logging.getLogger(__name__)

_NAME = b"scheduler"


class Lock:
    """Leadership by holding a lock on a file of this host."""

    def __init__(self, folder: str, holder: str) -> None:
        """:raises ConfigurationError: the folder cannot be written."""
        self.description = f"file lock {os.path.join(folder, _NAME.decode())}"
        try:
            self._coordinator = coordination.get_coordinator(
                f"file://{folder}", holder.encode()
            )
            self._coordinator.start(start_heart=False)
        except (ToozError, OSError, ValueError) as error:
            raise self._unusable(error) from error
        self._lock = self._coordinator.get_lock(_NAME)
        self._held = False

    def acquire(self) -> bool:
        """Try to take office, without waiting; True when held already.

        :raises ConfigurationError: the file cannot be opened.
        """
        if not self._held:
            try:
                self._held = self._lock.acquire(blocking=False)
            except (ToozError, OSError) as error:
                raise self._unusable(error) from error
        return self._held

    def held(self) -> bool:
        """Whether the office is still held."""
        return self._held

    def release(self) -> None:
        """Give the office back; harmless when it is not held."""
        if self._held:
            self._held = False
            self._lock.release()
            if isinstance(self._lock, file.FileLock):
                # It counts attempts that failed as well, and would call
                # itself unreleased when it is collected.
                self._lock.acquired = False

    def close(self) -> None:
        """Release and let go of the folder; harmless when done before."""
        self.release()
        try:
            self._coordinator.stop()
        except ToozError as error:
            LOG.debug("The lock's coordinator did not stop: %s", error)

    def _unusable(self, error: Exception) -> errors.ConfigurationError:
        cause = error.__cause__ or error
        return errors.ConfigurationError(
            f"the {self.description} cannot be used: {cause}; see state_path "
            "and [coordination] backend_url"
        )
