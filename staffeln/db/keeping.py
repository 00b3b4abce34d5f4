# SPDX-License-Identifier: Apache-2.0
"""Small files that are kept: read and written whole, or not at all."""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import pathlib
import stat
import tempfile
import threading
import time

from staffeln.domain import errors

LOG = logging.getLogger(__name__)

PATIENCE = 5.0
"""Seconds that a start waits for a folder."""
_TURNS = 10
_TURN = 0.02
"""Seconds, so many times, that another process may take to write."""
_LARGEST = 4096
"""Bytes of a file that may be ours."""
_PASSING = (errno.ENOSPC, errno.EDQUOT)
"""What may have gone by itself when the file is to be written."""


def read(path: pathlib.Path) -> bytes | None:
    """What a file says, without a wait for anybody; None: there is none.

    :raises OSError: nobody knows what it says, or it is no regular file.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.EINVAL, "it is a link") from None
        raise
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        return os.read(handle, _LARGEST)
    finally:
        os.close(handle)


def replace(path: pathlib.Path, content: object) -> None:
    """Write a file anew; a crash leaves the old one or the new one."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as opened:
            json.dump(content, opened)
            opened.flush()
            os.fsync(opened.fileno())
        pathlib.Path(name).replace(path)
    except BaseException:
        pathlib.Path(name).unlink(missing_ok=True)
        raise


def locked(lock: int) -> bool:
    """Take our turn; False: it does not come, and nobody waits longer."""
    for _ in range(_TURNS):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_TURN)
        else:
            return True
    return False


def check_folder(folder: pathlib.Path, patience: float = PATIENCE) -> None:
    """Look whether a file can be remembered there.

    A folder on a server that hangs is no reason not to start: answers do
    without it for a while.

    :raises ConfigurationError: it is missing, or cannot be written.
    """
    found: list[str | None] = []
    look = threading.Thread(
        target=lambda: found.append(_unusable(folder)), daemon=True
    )
    look.start()
    look.join(patience)
    if not found:
        LOG.warning("state_path %s does not answer", folder)
    elif found[0] is not None:
        raise errors.ConfigurationError(
            f"state_path {folder}: {found[0]}; the API remembers there how "
            "far the database has come"
        )


def _unusable(folder: pathlib.Path) -> str | None:
    """Why nothing can be written in a folder; None: it can."""
    try:
        with tempfile.TemporaryFile(dir=folder, prefix=".staffeln-"):
            return None
    except OSError as error:
        if error.errno in _PASSING:
            return None
        return error.strerror or type(error).__name__
