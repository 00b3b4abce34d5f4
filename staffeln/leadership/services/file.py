# SPDX-License-Identifier: Apache-2.0
"""The lock on a file of this host."""

from __future__ import annotations

import os
import pathlib
import pwd

from staffeln.leadership.address import FILE_NAME, Address
from staffeln.leadership.services.base import Service
from staffeln.leadership.settings import Settings

_OF_THE_DRIVER = ("groups", "tmp")
"""Folders that tooz makes beside the file."""


class File(Service):
    """A lock of the kernel's: it lasts as long as its process."""

    expires = False
    # A second lock on the file in this process would end the first one's
    # when it is collected.
    reconnects = True
    options_to_see = "state_path and [coordination] backend_url"

    def __init__(
        self, address: Address, holder: str, settings: Settings
    ) -> None:
        super().__init__(address, holder, settings)
        self._folder = pathlib.Path(address.path)

    def _options(self) -> dict[str, str]:
        return {}

    def probe(self) -> None:
        """See whether the file can be locked; it is not made.

        A doctor may be another user than the conductors: what it made would
        be in their way.

        :raises OSError: it cannot.
        """
        for name in (FILE_NAME, *_OF_THE_DRIVER):
            path = self._folder / name
            found = _there(path)
            if found == path and name in _OF_THE_DRIVER:
                continue
            is_folder = found.is_dir()
            if is_folder is not (found != path):
                how = "a folder" if is_folder else "no folder"
                raise OSError(f"{path} cannot be: {found} is {how}")
            if not os.access(found, os.W_OK | (os.X_OK if is_folder else 0)):
                raise OSError(
                    f"{found} belongs to {_name(found.stat().st_uid)}, and "
                    f"{_name(os.geteuid())} may not write to it"
                )

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


def _there(path: pathlib.Path) -> pathlib.Path:
    """The path, or the first above it that is there."""
    # A folder that may not be looked into hides what is in it.
    while not os.path.lexists(path):
        path = path.parent
    return path


def _name(user_id: int) -> str:
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return f"user {user_id}"
