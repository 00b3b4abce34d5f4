# SPDX-License-Identifier: Apache-2.0
"""The office as a lock of tooz: today the one on a file.

The lock is the kernel's: it is free as soon as its holder is gone, however
that ended, and it is never lost while the holder lives.
"""

from __future__ import annotations

import logging
import os
import warnings
from urllib import parse

from staffeln.domain import errors
from staffeln.leadership.settings import Settings

with warnings.catch_warnings():
    # A library beneath looks for eventlet, whose import warns.
    warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
    from tooz import ToozError, coordination
    from tooz.drivers import file

LOG = logging.getLogger(__name__)

_NAME = b"scheduler"


class Lock:
    """The scheduler's lock on a file of this host."""

    expires = False

    def __init__(self, url: str, holder: str, _settings: Settings) -> None:
        folder = parse.urlsplit(url).path
        self.description = f"file lock {os.path.join(folder, _NAME.decode())}"
        self._url = url
        self._holder = holder
        self._lock: file.FileLock | None = None

    def probe(self, timeout: float) -> None:
        """:raises ConfigurationError: the folder cannot be written."""
        self._open()

    def acquire(self, timeout: float) -> bool:
        """Try once to take the lock; False: somebody else has it."""
        lock = self._open()
        try:
            return bool(lock.acquire(blocking=False))
        except (ToozError, OSError) as error:
            raise self._unusable(error) from error

    def renew(self, timeout: float) -> bool:
        """The kernel keeps it."""
        return True

    def release(self, timeout: float) -> None:
        """Give the lock back."""
        if self._lock is not None:
            self._lock.release()
            # It counts attempts that failed as well, and would call itself
            # unreleased when it is collected.
            self._lock.acquired = False

    def close(self) -> None:
        """Nothing is open."""

    def _open(self) -> file.FileLock:
        if self._lock is None:
            try:
                coordinator = coordination.get_coordinator(
                    self._url, self._holder.encode()
                )
                coordinator.start(start_heart=False)
            except (ToozError, OSError, ValueError) as error:
                raise self._unusable(error) from error
            self._lock = coordinator.get_lock(_NAME)
        return self._lock

    def _unusable(self, error: Exception) -> errors.ConfigurationError:
        cause = error.__cause__ or error
        return errors.ConfigurationError(
            f"the {self.description} cannot be used: {cause}; see state_path "
            "and [coordination] backend_url"
        )


def check(url: str) -> None:
    """:raises ConfigurationError: it cannot work, in one line."""
    if parse.urlsplit(url).scheme != "file":
        raise errors.ConfigurationError("[coordination] backend_url")


def warning(_url: str) -> str | None:
    """Why the backend had better not be used."""
    return None
