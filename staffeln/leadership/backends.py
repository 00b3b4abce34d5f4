# SPDX-License-Identifier: Apache-2.0
"""From the options to the backend that keeps the office of scheduler."""

from __future__ import annotations

import os
from urllib import parse

from staffeln import ports
from staffeln.leadership.contract import Backend
from staffeln.leadership.holding import Holding
from staffeln.leadership.settings import Settings

# Loading the clients takes time that only a process that leads has to
# spend: each is imported where its backend is made.


def connect(settings: Settings, holder: str) -> ports.Leadership:
    """Make the backend that the options name; nobody is asked yet.

    :param holder: the conductor's id, for backends that show who holds it.
    :raises ConfigurationError: it cannot be used as it is set up.
    """
    return Holding(
        _backend(settings, holder),
        local=is_local(settings),
        renew_deadline=settings.lease_renew_deadline,
        retry_period=settings.lease_retry_period,
    )


def is_local(settings: Settings) -> bool:
    """Whether the backend serves conductors of one host only."""
    return parse.urlsplit(_url(settings)).scheme == "file"


def check(settings: Settings) -> None:
    """Look at what the options say, without asking anybody.

    :raises ConfigurationError: it cannot work, in one line.
    """
    if _is_lease(settings):
        from staffeln.leadership import lease

        lease.check(settings)
    else:
        from staffeln.leadership import lock

        lock.check(_url(settings), settings)


def probe(settings: Settings) -> None:
    """Ask the backend once whether it can be used.

    :raises CoordinationError: it does not answer; it may heal.
    :raises ConfigurationError: it cannot be used as it is set up.
    """
    backend = _backend(settings, "probe")
    try:
        backend.probe(settings.lease_renew_deadline)
    finally:
        backend.close()


def description(settings: Settings) -> str:
    """The backend in words, without secrets; nobody is asked.

    :raises ConfigurationError: it cannot be used as it is set up.
    """
    return _backend(settings, "doctor").description


def missing_rights(settings: Settings) -> list[str]:
    """Verbs that Kubernetes would refuse; nothing for other backends.

    :raises CoordinationError: it does not answer.
    :raises ConfigurationError: it does not tell, or cannot be reached so.
    """
    if not _is_lease(settings):
        return []
    from staffeln.leadership import lease

    contender = lease.Lease(settings, "doctor")
    try:
        return contender.missing_rights(settings.lease_renew_deadline)
    finally:
        contender.close()


def warning(settings: Settings) -> str | None:
    """Why the backend had better not be used; None: it is a good one."""
    if _is_lease(settings):
        return None
    from staffeln.leadership import lock

    return lock.warning(_url(settings))


def _backend(settings: Settings, holder: str) -> Backend:
    if _is_lease(settings):
        from staffeln.leadership import lease

        return lease.Lease(settings, holder)
    from staffeln.leadership import lock

    return lock.Lock(_url(settings), holder, settings)


def _is_lease(settings: Settings) -> bool:
    """Without a URL a Lease is taken wherever one is to be had."""
    if settings.backend_url:
        return False
    if settings.kubeconfig:
        return True
    from staffeln.leadership import pod

    return pod.in_cluster()


def _url(settings: Settings) -> str:
    """The URL of a lock; the embedded default is one on a file."""
    if settings.backend_url or _is_lease(settings):
        return settings.backend_url
    return f"file://{os.path.join(settings.state_path, 'lock')}"
