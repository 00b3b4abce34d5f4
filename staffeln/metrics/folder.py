# SPDX-License-Identifier: Apache-2.0
"""Where the processes of one server keep what they count together.

``prometheus_client`` reads the folder's name from a variable when it is
imported, and keeps the numbers in files that it maps: a full file system
would end a process that counts. So room is taken for them beforehand.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pathlib
import shutil
import tempfile

from staffeln.domain import errors

LOG = logging.getLogger(__name__)

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

ROOM = 256 * 1024
"""Bytes of each file: for more than all series that the API knows."""
_KINDS = ("counter", "histogram")


class FolderError(errors.StaffelnError):
    """There can be no folder at this moment."""


class Folder:
    """One folder, made when it is first needed."""

    def __init__(self) -> None:
        self._path: str | None = None

    def make(self) -> None:
        """Make it, where that has not been done.

        :raises FolderError: why it cannot be made.
        """
        if self._path is not None:
            return
        try:
            self._path = tempfile.mkdtemp(prefix="staffeln-api-")
        except OSError as error:
            raise FolderError(
                "[api] metrics_enabled: no folder for the numbers can be "
                f"made: {error.strerror}"
            ) from error

    def use(self, *, wanted: bool) -> None:
        """Let processes that begin from now on count in it, or not."""
        os.environ.pop(VARIABLE, None)
        if wanted and self._path is not None:
            os.environ[VARIABLE] = self._path

    def remove(self) -> None:
        """Remove it with all that is in it."""
        if self._path is not None:
            shutil.rmtree(self._path, ignore_errors=True)
        self._path = None


def take_room() -> None:
    """Take room for the numbers of this process; without it, count alone.

    Before ``prometheus_client`` is imported.
    """
    folder = os.environ.get(VARIABLE)
    if folder is None:
        return
    files = [
        pathlib.Path(folder) / f"{kind}_{os.getpid()}.db" for kind in _KINDS
    ]
    try:
        for path in files:
            with path.open("ab") as file:
                os.posix_fallocate(file.fileno(), 0, ROOM)
    except OSError as error:
        for path in files:
            with contextlib.suppress(OSError):
                path.unlink()
        del os.environ[VARIABLE]
        LOG.warning(
            "This process's numbers are not among those of /metrics: %s: %s",
            folder,
            error.strerror,
        )
