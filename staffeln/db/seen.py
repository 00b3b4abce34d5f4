# SPDX-License-Identifier: Apache-2.0
"""What was seen of the database, in a small file that outlives us.

A database that was restored from a backup knows nothing of what was made
since; one of another deployment knows nothing at all. Both would say of
managed backups that they are not managed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import logging
import os
import pathlib
import tempfile
import threading
import time
from collections.abc import Callable, Iterator

from staffeln.domain import seldom

LOG = logging.getLogger(__name__)

FILE = "api-database.json"
"""The name of the file under ``state_path``."""

LASTING = 60.0
"""Seconds after which a lower term is no late replica any more."""
QUIET = 60.0
"""Seconds between two lines that say that the file cannot be used."""
_TURNS = 10
_TURN = 0.02
"""Seconds, so many times, that another process may take to write it."""
_LARGEST = 4096
"""Bytes of a file that may be ours."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Memory:
    deployment_uuid: str
    term: int
    restored: bool = False
    """A lower term was there for long: no term to come heals that."""


class SeenFile:
    """Remembers deployment and term; used by many threads and processes.

    An operator who has exchanged the database removes the file.
    """

    def __init__(
        self,
        path: pathlib.Path,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._known: _Memory | None = None
        self._stamp: tuple[int, int, int] | None = (0, 0, 0)
        self._lower_since: float | None = None
        self._complaints = seldom.Seldom(QUIET)

    def recognise(self, deployment_uuid: str, term: int) -> str | None:
        """Hold a database against what was seen, and remember it.

        :returns: None: it is the same one; else what tells that not.
        """
        with self._lock:
            if self._stamp != self._stamp_now():
                self._read_again()
            known = self._known
            if known is None or self._is_newer(known, deployment_uuid, term):
                self._write(deployment_uuid, term)
                known = self._known or _Memory(deployment_uuid, term)
            return self._difference(known, deployment_uuid, term)

    @staticmethod
    def _is_newer(known: _Memory, deployment_uuid: str, term: int) -> bool:
        return (
            known.deployment_uuid == deployment_uuid
            and term > known.term
            and not known.restored
        )

    def _difference(
        self, known: _Memory, deployment_uuid: str, term: int
    ) -> str | None:
        if known.deployment_uuid != deployment_uuid:
            return (
                f"deployment {deployment_uuid}, not {known.deployment_uuid}; "
                f"{self._path} may be removed where that is meant"
            )
        if term >= known.term and not known.restored:
            self._lower_since = None
            return None
        if not known.restored:
            self._note_lower(known)
        return (
            f"the scheduler's term is {term}, and was {known.term} before; "
            f"{self._path} may be removed where the database was restored "
            "and what is newer is known"
        )

    def _note_lower(self, known: _Memory) -> None:
        """A replica is late for moments; what was restored stays lower."""
        now = self._clock()
        if self._lower_since is None:
            self._lower_since = now
        elif now - self._lower_since >= LASTING:
            self._save(dataclasses.replace(known, restored=True))

    # -- the file ----------------------------------------------------------

    def _stamp_now(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino, found.st_size

    def _read_again(self) -> None:
        """Another process wrote it, or an operator removed it."""
        self._stamp = self._stamp_now()
        self._known = self._read()
        self._lower_since = None

    def _read(self) -> _Memory | None:
        """What the file says; None: nothing that can be read."""
        try:
            with self._path.open("rb") as opened:
                return _memory_of(opened.read(_LARGEST))
        except FileNotFoundError:
            LOG.info("%s is not there: nothing is remembered", self._path)
            return None
        except OSError as error:
            self._complain("cannot be read", error.strerror)
            # What is in memory is better than nothing.
            return self._known
        except (ValueError, LookupError, TypeError, RecursionError):
            self._complain("is damaged", "it is written anew")
            return None

    def _write(self, deployment_uuid: str, term: int) -> None:
        """Remember a term, unless another process knows a later one."""
        with self._alone():
            if self._stamp != self._stamp_now():
                self._read_again()
            known = self._known
            if known is None or self._is_newer(known, deployment_uuid, term):
                self._save(_Memory(deployment_uuid, term))

    def _save(self, memory: _Memory) -> None:
        self._known = memory
        try:
            _replace(self._path, dataclasses.asdict(memory))
        except OSError as error:
            self._complain("cannot be written", error.strerror)
        self._stamp = self._stamp_now()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Beside no other process that writes the file, where possible."""
        try:
            lock = os.open(
                self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600
            )
        except OSError as error:
            self._complain("cannot be locked", error.strerror)
            yield
            return
        try:
            if not _locked(lock):
                self._complain("is held", "another process stands still")
            yield
        finally:
            os.close(lock)

    def _complain(self, what: str, why: str | None) -> None:
        if self._complaints.is_due(self._path, self._clock()):
            LOG.warning("%s %s: %s", self._path, what, why)


def _locked(lock: int) -> bool:
    """Take our turn; False: it does not come, and nobody waits longer."""
    for _ in range(_TURNS):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_TURN)
        else:
            return True
    return False


def _memory_of(content: bytes) -> _Memory:
    """:raises ValueError: the file is none of ours (or Lookup-, TypeError)"""
    found = json.loads(content)
    memory = _Memory(
        found["deployment_uuid"], found["term"], found["restored"]
    )
    kinds = [type(each) for each in dataclasses.astuple(memory)]
    if kinds != [str, int, bool]:
        raise TypeError("values of other kinds")
    return memory


def _replace(path: pathlib.Path, content: object) -> None:
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
