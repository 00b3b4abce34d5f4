# SPDX-License-Identifier: Apache-2.0
"""What is remembered of the database, without a long wait for its file.

``state_path`` may be on a server that hangs, and then so does whoever looks
at a file there. So one thread does, and only one; answers wait for it for a
moment, and then go on with what is in memory.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections.abc import Callable

from staffeln import ports
from staffeln.domain import checking, recognition

LOG = logging.getLogger(__name__)

FRESH = 1.0
"""Seconds for which what the file said is believed."""
RENEWED = 0.5
"""Seconds after which it is looked at again; with many questions nobody has
to wait for it then."""
PATIENCE = 0.2
"""Seconds that an answer waits for the file."""

THREAD = "remembered"
MOST_QUESTIONS = 100
"""Questions that wait for a file that hangs; there is no need for more."""
UNREAD = checking.Strange(
    doubt=checking.Doubt.FORGOTTEN,
    why="the file of what was seen before does not answer",
)


@dataclasses.dataclass(frozen=True, slots=True)
class _Said:
    """What the file said last, or would have."""

    deployment_uuid: str
    age: checking.Age
    strange: checking.Strange | None
    at: float
    assumed: bool = False
    """The file has still to be told."""


class _Question:
    """A look at the file, for all who ask for the same meanwhile."""

    def __init__(self) -> None:
        self.answered = threading.Event()
        self.strange: checking.Strange | None = UNREAD


class Remembered:
    """``ports.Seen`` for many threads, over one that may take for ever."""

    def __init__(
        self, file: ports.Seen, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._file = file
        self._clock = clock
        self._lock = threading.Lock()
        self._questions: dict[tuple[str, checking.Age], _Question] = {}
        self._runs = False
        self._looks_since: float | None = None
        self._said: _Said | None = None
        self._term: int | None = None

    @property
    def term(self) -> int | None:
        """The term that is remembered; None: nobody has looked yet."""
        return self._term

    def recognise(
        self, deployment_uuid: str, age: checking.Age
    ) -> checking.Strange | None:
        """Hold a database against what was seen, and remember it.

        :returns: None: it is the same one; else what tells that not, or
            that nobody knows.
        """
        with self._lock:
            now, said = self._clock(), self._said
            if (
                said is not None
                and not said.assumed
                and said.deployment_uuid == deployment_uuid
                and (said.age.term, said.age.holder) == (age.term, age.holder)
                and said.age.seq <= age.seq
                and now - said.at < FRESH
            ):
                if now - said.at >= RENEWED:
                    self._ask(deployment_uuid, age)
                return said.strange
            question = self._ask(deployment_uuid, age)
            began = self._looks_since
        if began is None or now - began < PATIENCE:
            question.answered.wait(PATIENCE)
        if question.answered.is_set():
            return question.strange
        with self._lock:
            return self._assume(deployment_uuid, age)

    def _assume(
        self, deployment_uuid: str, age: checking.Age
    ) -> checking.Strange | None:
        """Judge without the file: by what it said last, or not at all."""
        said = self._said
        if said is None or said.deployment_uuid != deployment_uuid:
            return UNREAD
        if said.strange is not None:
            return said.strange
        found = recognition.relation(said.age.term, said.age.holder, age)
        if found is recognition.Relation.UNTOLD:
            self._term = said.age.term
            return recognition.AGAIN
        if found is recognition.Relation.LATER:
            self._said = dataclasses.replace(said, age=age, assumed=True)
            self._term = age.term
            return None
        if found is recognition.Relation.SAME and age.seq >= said.age.seq:
            return None
        return UNREAD

    def _ask(self, deployment_uuid: str, age: checking.Age) -> _Question:
        """Let the thread look; start it where none looks."""
        key = deployment_uuid, age
        question = self._questions.get(key)
        if question is None:
            question = _Question()
            if len(self._questions) >= MOST_QUESTIONS:
                return question
            self._questions[key] = question
        if not self._runs:
            try:
                threading.Thread(
                    target=self._run, name=THREAD, daemon=True
                ).start()
                self._runs = True
            except RuntimeError as error:
                LOG.warning("No thread to look at a file: %s", error)
        return question

    def _run(self) -> None:
        """Look until there is no question left."""
        while True:
            with self._lock:
                if not self._questions:
                    self._runs, self._looks_since = False, None
                    return
                key, question = next(iter(self._questions.items()))
                began = self._looks_since = self._clock()
            strange = self._look(*key)
            with self._lock:
                del self._questions[key]
                self._note(_Said(*key, strange, began))
            question.strange = strange
            question.answered.set()

    def _look(
        self, deployment_uuid: str, age: checking.Age
    ) -> checking.Strange | None:
        try:
            return self._file.recognise(deployment_uuid, age)
        except Exception:
            # A bug must not become a yes.
            LOG.exception("What was seen of the database cannot be read")
            return UNREAD

    def _note(self, said: _Said) -> None:
        """Keep what the file said, unless it has a later term to hear of."""
        if said.strange is recognition.AGAIN:
            self._term = self._file.term
            return
        ours = self._said
        if (
            ours is not None
            and ours.assumed
            and said.strange is None
            and said.deployment_uuid == ours.deployment_uuid
            and said.age.term < ours.age.term
        ):
            return
        self._said, self._term = said, self._file.term
