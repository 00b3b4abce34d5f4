# SPDX-License-Identifier: Apache-2.0
"""What a coordination backend has to offer: one lock, for one contender.

A backend only talks to its service. How long an answer of it is believed,
when it is asked again, and who hears of a loss is the same for all and is
written once, in :mod:`staffeln.leadership.holding`.
"""

from __future__ import annotations

from typing import Protocol


class Backend(Protocol):
    """The lock of the scheduler in one coordination service.

    Its methods are called one at a time, though from different threads. No
    call takes much longer than its timeout. The constructor asks nobody: a
    service that is away must not keep a conductor from working.
    """

    @property
    def description(self) -> str:
        """The service and the lock in words, without secrets.

        Contenders for one lock have the same one.
        """

    @property
    def expires(self) -> bool:
        """Whether others can take the lock from a holder that is silent.

        If so they can after ``[coordination] lease_duration`` seconds of
        silence, and no earlier. Otherwise the lock lasts as long as the
        holder's process or connection.
        """

    def probe(self, timeout: float) -> None:
        """Ask the service once whether it can be used; takes nothing.

        For the start of a conductor, so that wrong settings end it with a
        clear line: a refused login, missing rights, a folder that cannot
        be written.

        :raises CoordinationError: no answer; it may heal.
        :raises ConfigurationError: these settings cannot work.
        """

    def acquire(self, timeout: float) -> bool:
        """Try once to take the lock; False: somebody else has it.

        Called only while the lock is not held; but after a loss this
        contender may still be the one that the service names.

        :param timeout: seconds that it may take.
        :raises CoordinationError: no answer; the lock may be ours or not.
            The next call finds out.
        :raises ConfigurationError: no try with these settings can succeed.
        """

    def renew(self, timeout: float) -> bool:
        """Prove that the lock is still ours, and keep it from expiring.

        :returns: False: it is proved that the lock is lost.
        :raises CoordinationError: no answer; asked again until the
            deadline. Where a lost connection is a lost lock: False.
        """

    def release(self, timeout: float) -> None:
        """Give the lock back so that another contender has it at once.

        Harmless when it is not ours any more: nobody else's is let go.

        :raises CoordinationError: no answer; the lock goes when it expires.
        """

    def close(self) -> None:
        """Let go of all connections; the lock is released before."""
