# SPDX-License-Identifier: Apache-2.0
"""What was seen of the database, in a small file that outlives us.

A database that was restored from a backup knows nothing of what was made
since; one of another deployment knows nothing at all. Both would say of
managed backups that they are not managed.

Only where the file is not there at all, in a folder that can be written,
nothing was seen yet. Whatever else keeps it from being read or begun is a
doubt, until an operator has mended or removed it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import pathlib
import threading
import time
from collections.abc import Callable, Iterator

from staffeln.db import keeping
from staffeln.domain import checking, recognition, seldom

LOG = logging.getLogger(__name__)

FILE = "api-database.json"
"""The name of the file under ``state_path``."""

LASTING = 60.0
"""Seconds after which what is lower is no late replica any more."""
SETTLED = 5.0
"""Seconds after which a number of writes has reached every answer: threads
overtake each other, and replicas are late by less."""
SAVED = 60.0
"""Seconds between two times that the number of writes goes to the file."""
QUIET = 60.0
"""Seconds between two lines that say that the file cannot be used."""

Stamp = tuple[int, ...] | str
"""What changes with a file; a text where it cannot be looked at."""
ABSENT: Stamp = "absent"


@dataclasses.dataclass(frozen=True, slots=True)
class _Memory:
    deployment_uuid: str
    term: int
    seq: int
    """Writes of the scheduler in that term that every answer knows of."""
    holder: str
    restored: bool = False
    """It was found to be older than before: no time to come heals that."""

    def is_of_one_term_with(self, other: _Memory) -> bool:
        return (self.deployment_uuid, self.term, self.holder) == (
            other.deployment_uuid,
            other.term,
            other.holder,
        )


class SeenFile:
    """Remembers how far a deployment came; for many threads and processes.

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
        self._trouble: str | None = None
        """Why the file tells nothing, or could not be begun."""
        self._stamp: Stamp = ""
        self._fresh: tuple[int, float] | None = None
        """A number of writes that is not settled yet, and since when."""
        self._saved_at = self._clock()
        self._lower_since: float | None = None
        self._complaints = seldom.Seldom(QUIET)

    @property
    def term(self) -> int | None:
        """The term that is remembered, as far as was read."""
        known = self._known
        return known.term if known else None

    def recognise(
        self, deployment_uuid: str, age: checking.Age
    ) -> checking.Strange | None:
        """Hold a database against what was seen, and remember it.

        :returns: None: it is the same one; else what tells that not, or
            that nobody knows.
        """
        with self._lock:
            self._catch_up()
            if self._known is None and self._trouble is None:
                self._begin(deployment_uuid, age)
            if self._known is None or self._trouble is not None:
                return self._unknown()
            return self._judge(self._known, deployment_uuid, age)

    def _judge(
        self, known: _Memory, deployment_uuid: str, age: checking.Age
    ) -> checking.Strange | None:
        if known.deployment_uuid != deployment_uuid:
            return _exchanged(
                f"deployment {deployment_uuid}, not {known.deployment_uuid}; "
                f"{self._path} may be removed where that is meant"
            )
        if known.restored:
            return self._older(known, age)
        known = self._settle(known)
        found = recognition.relation(known.term, known.holder, age)
        if found is recognition.Relation.UNTOLD:
            return recognition.AGAIN
        if found is recognition.Relation.FORKED:
            self._save(dataclasses.replace(known, restored=True))
            return self._older(known, age)
        if found is recognition.Relation.LOWER or (
            found is recognition.Relation.SAME and age.seq < known.seq
        ):
            self._note_lower(known)
            return self._older(known, age)
        self._lower_since = None
        if found is recognition.Relation.LATER:
            return self._go_on(deployment_uuid, age)
        self._note_writes(known, age)
        return None

    def _older(self, known: _Memory, age: checking.Age) -> checking.Strange:
        if age.term > known.term or (
            age.term == known.term and age.seq >= known.seq
        ):
            found = (
                f"the scheduler's term {age.term} did not follow from term "
                f"{known.term} as it was seen before, but from an older state"
            )
        elif age.term == known.term:
            found = (
                f"the scheduler's term {age.term} has {age.seq} writes, and "
                f"had {known.seq} before"
            )
        else:
            found = (
                f"the scheduler's term is {age.term}, and was {known.term} "
                "before"
            )
        return _exchanged(
            f"{found}; {self._path} may be removed where the database was "
            "restored and what is newer is known"
        )

    def _unknown(self) -> checking.Strange:
        return checking.Strange(
            doubt=checking.Doubt.FORGOTTEN,
            why=f"{self._path} {self._trouble}",
        )

    def _note_lower(self, known: _Memory) -> None:
        """A replica is late for moments; what was restored stays lower."""
        now = self._clock()
        if self._lower_since is None:
            self._lower_since = now
        elif now - self._lower_since >= LASTING:
            self._save(dataclasses.replace(known, restored=True))

    # -- the number of writes ------------------------------------------------

    def _settle(self, known: _Memory) -> _Memory:
        """Expect of every answer what was seen long enough ago."""
        if (
            self._fresh is not None
            and self._clock() - self._fresh[1] >= SETTLED
        ):
            known = dataclasses.replace(
                known, seq=max(known.seq, self._fresh[0])
            )
            self._known, self._fresh = known, None
        return known

    def _note_writes(self, known: _Memory, age: checking.Age) -> None:
        now = self._clock()
        if self._fresh is None:
            self._fresh = age.seq, now
        if now - self._saved_at >= SAVED:
            self._saved_at = now
            self._write(known)

    # -- the file ----------------------------------------------------------

    def _stamp_now(self) -> Stamp:
        try:
            found = self._path.lstat()
        except FileNotFoundError:
            return ABSENT
        except OSError as error:
            return str(error.strerror)
        return (
            found.st_mtime_ns,
            found.st_ctime_ns,
            found.st_ino,
            found.st_size,
        )

    def _catch_up(self) -> None:
        """Another process wrote it, or an operator removed it."""
        stamp = self._stamp_now()
        if stamp == self._stamp and self._trouble is None:
            return
        ours, self._known, self._trouble = self._known, None, None
        self._stamp = stamp
        try:
            self._known = self._merged(ours, self._read())
        except OSError as error:
            self._complain(f"cannot be read: {error.strerror}")
        except (ValueError, LookupError, TypeError, RecursionError):
            self._complain("is damaged")
        if ours != self._known:
            self._lower_since = None

    def _merged(
        self, ours: _Memory | None, read: _Memory | None
    ) -> _Memory | None:
        """The file, with the writes that it does not know of yet."""
        if ours is None or read is None or not ours.is_of_one_term_with(read):
            self._fresh = None
            return read
        self._saved_at = self._clock()
        return dataclasses.replace(read, seq=max(ours.seq, read.seq))

    def _read(self) -> _Memory | None:
        """What the file says; None: there is none.

        :raises OSError: nobody knows what it says.
        :raises ValueError: it is none of ours (or Lookup-, TypeError).
        """
        content = keeping.read(self._path)
        return None if content is None else _memory_of(content)

    def _begin(self, deployment_uuid: str, age: checking.Age) -> None:
        """Remember a database for the first time, unless another does."""
        self._write(_Memory(deployment_uuid, age.term, 0, age.holder))
        if self._trouble is None:
            LOG.info("%s was not there: nothing was remembered", self._path)

    def _go_on(
        self, deployment_uuid: str, age: checking.Age
    ) -> checking.Strange | None:
        """Remember a later term, unless another process knows better."""
        later = _Memory(deployment_uuid, age.term, 0, age.holder)
        self._write(later)
        known = self._known
        if known is None or self._trouble is not None:
            return self._unknown()
        if known.restored:
            return self._older(known, age)
        found = recognition.relation(known.term, known.holder, age)
        if found is recognition.Relation.SAME:
            return None
        return recognition.AGAIN

    def _write(self, memory: _Memory) -> None:
        """Remember it, where the file has nothing that is newer."""
        with self._alone():
            before = self._known
            self._catch_up()
            if self._trouble is not None:
                return
            # What was written meanwhile is to be looked at first.
            if self._known == before:
                self._save(memory)

    def _save(self, memory: _Memory) -> None:
        begins = self._known is None
        if self._known is not None and not self._known.is_of_one_term_with(
            memory
        ):
            self._fresh = None
        self._known = memory
        self._saved_at = self._clock()
        try:
            keeping.replace(self._path, dataclasses.asdict(memory))
        except OSError as error:
            self._complain(
                f"cannot be written: {error.strerror}", is_unknown=begins
            )
            if begins:
                self._known = None
        self._stamp = self._stamp_now()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Beside no other process that writes the file, where possible."""
        try:
            lock = os.open(
                self._path.with_suffix(".lock"),
                os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | os.O_NOFOLLOW,
                0o600,
            )
        except OSError as error:
            self._complain(
                f"cannot be locked: {error.strerror}", is_unknown=False
            )
            yield
            return
        try:
            if not keeping.locked(lock):
                self._complain(
                    "is held: another process stands still", is_unknown=False
                )
            yield
        finally:
            os.close(lock)

    def _complain(self, what: str, *, is_unknown: bool = True) -> None:
        if is_unknown:
            self._trouble = (
                f"{what}. No delete of a member is allowed until it can be "
                "used: mend it, or remove it where the database is known not "
                "to be older than before"
            )
            what = self._trouble
        if self._complaints.is_due(is_unknown, self._clock()):
            LOG.warning("%s %s", self._path, what)


def _exchanged(why: str) -> checking.Strange:
    return checking.Strange(doubt=checking.Doubt.EXCHANGED, why=why)


def _memory_of(content: bytes) -> _Memory:
    """:raises ValueError: the file is none of ours (or Lookup-, TypeError)"""
    found = json.loads(content)
    memory = _Memory(
        found["deployment_uuid"],
        found["term"],
        found["seq"],
        found["holder"],
        found["restored"],
    )
    kinds = [type(each) for each in dataclasses.astuple(memory)]
    if kinds != [str, int, int, str, bool]:
        raise TypeError("values of other kinds")
    return memory
