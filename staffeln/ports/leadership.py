# SPDX-License-Identifier: Apache-2.0
"""The office of scheduler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Leadership(Protocol):
    """The one office of scheduler, held by at most one conductor.

    It saves work and guarantees nothing: the term's fence in the database
    does. Once acquired it is renewed until it is released or lost.
    """

    @property
    def description(self) -> str:
        """The backend in words, without secrets.

        Two conductors contend for one office if these are equal.
        """

    @property
    def local(self) -> bool:
        """Whether the backend serves the conductors of one host only."""

    def watch(self, on_loss: Callable[[str], None]) -> None:
        """Call this, with the reason, whenever the office is lost.

        From a thread of the leadership's own: it must not block.
        """

    def acquire(self) -> bool:
        """Try to take office, without waiting; True when held already.

        :raises CoordinationError: the backend did not answer.
        :raises ConfigurationError: it cannot be used as it is set up.
        """

    def held(self) -> bool:
        """Whether the office is still held, without asking anybody.

        A backend whose holder can be taken for dead is believed only until
        a deadline of this process, before anyone else can take office.
        """

    def release(self) -> None:
        """Give the office back; harmless when it is not held."""

    def close(self) -> None:
        """Release and let go of all connections."""
