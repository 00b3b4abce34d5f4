# SPDX-License-Identifier: Apache-2.0
"""What this host and its configuration have to be like."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from staffeln.domain.findings import (
    Finding,
    error,
    fine,
    warning,
)
from staffeln.status.patient import Configured, Office


def configuration(found: Configured) -> Iterator[Finding]:
    """What the files say that nobody reads, or reads under another name."""
    if found.wrong:
        yield error(
            "wrong-option",
            found.wrong,
            "correct it: conductors and the API would not start; the "
            "configuration reference says what each option takes",
        )
    for sentence in found.unknown:
        yield warning(
            "unknown-option",
            sentence,
            "correct its name, or remove it; the configuration reference "
            "lists all options",
        )
    for sentence in found.outdated:
        yield warning(
            "outdated-option",
            sentence,
            "see 'Coming from release 2' in the documentation",
        )
    if not found.files:
        yield warning(
            "no-file",
            "there is no configuration file: all options have their defaults",
            "write /etc/staffeln/staffeln.conf, or give --config-file",
        )
    yield fine(", ".join(found.files))


def files(too_open: Sequence[str]) -> Iterator[Finding]:
    """Whom this host lets read and write what only the service should."""
    for sentence in too_open:
        what, _, todo = sentence.partition(": ")
        yield warning("open-to-others", what, todo)
    yield fine("no secret is open to others")


def office(found: Office, missing: Sequence[str]) -> Iterator[Finding]:
    """What keeps the office of scheduler from being held."""
    if missing:
        yield error(
            "no-lease-rights",
            f"the account may not {', '.join(missing)} the "
            f"{found.description}: nobody can become the scheduler",
            "bind a Role with the verbs get, create and update on leases of "
            "coordination.k8s.io in that namespace to the account",
            verbs=",".join(missing),
        )
    if found.warning:
        yield warning(
            "poor-backend",
            found.warning,
            "set [coordination] backend_url to etcd, ZooKeeper or a "
            "Kubernetes Lease",
            option="[coordination] backend_url",
        )
    yield fine(found.description)
