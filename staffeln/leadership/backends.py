# SPDX-License-Identifier: Apache-2.0
"""From a URL to the backend that keeps the office of scheduler."""

from __future__ import annotations

import os
from urllib import parse

from staffeln import ports
from staffeln.domain import errors

_LOCAL_SCHEMES = frozenset({"", "file"})


def connect(
    backend_url: str, state_path: str, holder: str
) -> ports.Leadership:
    """Open the backend that a URL names; nothing is acquired yet.

    :param backend_url: empty for the lock on a file below ``state_path``.
    :param holder: the conductor's id, for backends that show who holds it.
    :raises ConfigurationError: the scheme is not supported, or the folder
        cannot be written.
    """
    scheme = parse.urlsplit(backend_url).scheme
    if scheme not in _LOCAL_SCHEMES:
        raise errors.ConfigurationError(
            f"[coordination] backend_url: this release does not support "
            f"{scheme}"
        )
    # Loading tooz takes time that only a process that leads has to spend.
    from staffeln.leadership.lock import Lock

    folder = os.path.join(state_path, "lock")
    if scheme == "file":
        folder = parse.urlsplit(backend_url).path
    return Lock(folder, holder)


def is_local(backend_url: str) -> bool:
    """Whether the backend serves conductors of one host only."""
    return parse.urlsplit(backend_url).scheme in _LOCAL_SCHEMES
