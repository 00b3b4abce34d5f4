# SPDX-License-Identifier: Apache-2.0
"""One command at a time, also when the one before was killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
from collections.abc import Iterator

from sandbox_cloud.progress import Progress


@contextlib.contextmanager
def held(path: pathlib.Path, progress: Progress) -> Iterator[None]:
    """Hold the lock of ``path``; the kernel lets go of it with the process.

    Waits, and says so, while another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            with progress.step(f"waiting for process {holder} to finish"):
                fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        try:
            yield
        finally:
            lock.truncate(0)
