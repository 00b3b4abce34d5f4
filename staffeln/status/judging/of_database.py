# SPDX-License-Identifier: Apache-2.0
"""What is wrong by what the database tells."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable, Iterator, Sequence

from staffeln import ports
from staffeln.domain import freshness, model
from staffeln.domain.findings import (
    Finding,
    error,
    fine,
    not_checked,
    warning,
)
from staffeln.status.patient import DatabaseState, Office

SYNC_WAIT = 7
"""``mysql_wsrep_sync_wait``: reads, updates and inserts wait."""

_NAMED = 3


def rights(missing: Sequence[str]) -> Iterator[Finding]:
    """Whether conductors can do their work in the database."""
    if missing:
        shown = "; ".join(missing[:_NAMED])
        more = len(missing) - _NAMED
        yield error(
            "no-database-rights",
            f"the database refuses {shown}"
            + (f" and more on {more} other table(s)" if more > 0 else ""),
            "grant SELECT, INSERT, UPDATE and DELETE on all tables to the "
            "user of [database] connection, and name no read-only server "
            "there; etc/database has the statements",
            option="[database] connection",
        )
    yield fine("rows can be read and written")


def galera(found: DatabaseState) -> Iterator[Finding]:
    """Whether reads of a cluster see what was written on other nodes."""
    cluster = found.galera
    if cluster is None:
        yield fine("the database is no Galera cluster")
        return
    if cluster.sync_wait & SYNC_WAIT != SYNC_WAIT:
        yield warning(
            "no-sync-wait",
            f"the database is a Galera cluster of {cluster.nodes} node(s), "
            f"and its nodes do not wait for each other: wsrep_sync_wait is "
            f"{cluster.sync_wait}",
            f"set [database] mysql_wsrep_sync_wait = {SYNC_WAIT} on all "
            "conductors and restart them",
            option="[database] mysql_wsrep_sync_wait",
        )
    yield fine(f"{cluster.nodes} node(s), wsrep_sync_wait is on")


def deployment(
    found: model.Deployment, *, backup_key_is_set: bool
) -> Iterator[Finding]:
    """Whether the conductors would start on this database."""
    if found.adopted and not backup_key_is_set:
        yield error(
            "key-not-set",
            "the database comes from release 2.x, and [conductor] "
            "backup_metadata_key is not set: conductors refuse to start",
            "set it explicitly; empty means all servers, as unset did in "
            "release 2.x",
            option="[conductor] backup_metadata_key",
        )
    if found.identity is None:
        yield fine(f"{found.uuid}, which the first start binds to a cloud")
    else:
        yield fine(f"{found.uuid} belongs to this cloud")


def clocks(
    apart: str | None, unread: str | None, tolerance: datetime.timedelta
) -> Iterator[Finding]:
    """Whether the clocks agree.

    :param apart: how far they are apart, in words.
    :param unread: why Cinder's could not be read.
    """
    if apart:
        yield error(
            "clocks-apart",
            f"{apart}; nothing expires, and no timeout counts",
            "let NTP or chrony set the clocks of all hosts",
        )
    if unread:
        yield not_checked(
            "clock-unread",
            f"Cinder's clock is not compared: {unread}",
            "see cinder",
        )
    yield fine(f"those of this host, database and Cinder within {tolerance}")


def conductors(
    found: Iterable[ports.Conductor],
    now: datetime.datetime,
    timeout: datetime.timedelta,
    mine: Office | None,
    *,
    ever: bool,
) -> Iterator[Finding]:
    """Whether anybody works, and whether they see each other.

    :param mine: the backend of the configuration; None: it is not known.
    :param ever: whether a cycle has ended before.
    """
    alive = [each for each in found if now - each.heartbeat_at < timeout]
    if not alive:
        make = error if ever else warning
        yield make(
            "no-conductor",
            "no conductor is alive: nothing is backed up, nothing expires"
            if ever
            else "no conductor has worked yet",
            "systemctl start staffeln-conductor, and see its log",
        )
    backends = sorted({each.backend for each in alive})
    if len(backends) > 1:
        yield error(
            "backends-differ",
            f"living conductors do not see each other: {'; '.join(backends)}",
            "set [coordination] the same on all conductors",
            option="[coordination] backend_url",
        )
    hosts = sorted({each.host for each in alive})
    if mine and mine.local and len(hosts) > 1:
        yield error(
            "lock-of-one-host",
            f"conductors live on {', '.join(hosts)}, and the "
            f"{mine.description} serves one host only",
            "set [coordination] backend_url, the same on all conductors",
            option="[coordination] backend_url",
        )
    yield fine(f"{len(alive)} alive on {', '.join(hosts)}")


def rounds(
    found: model.Freshness, limits: freshness.Limits
) -> Iterator[Finding]:
    """Whether cycles and rounds of retention end as they should."""
    if found.cycle_at is None and found.retention_at is None:
        yield fine("no cycle has ended yet")
        return
    only = dataclasses.replace(
        found, never_protected=0, oldest_protection_at=None
    )
    for fault in freshness.faults(only, limits):
        yield warning(
            "round-missed",
            fault,
            "see the log of the conductor that schedules (staffeln "
            "conductor list) for what holds it up",
        )
    yield fine("cycles and retention end in time")


def brakes(
    found: Sequence[model.Brake], breaker: model.Breaker | None
) -> Iterator[Finding]:
    """What an operator or the breaker has stopped."""
    for each in found:
        yield warning(
            "paused",
            each.in_words(),
            f"staffeln resume {each.kind.value}s"
            + (f" --project {each.project_id}" if each.project_id else ""),
            project_id=each.project_id,
        )
    if breaker is not None and breaker.confirmed_at is None:
        yield error(
            "breaker",
            f"a round of retention that would remove {breaker.would} backups "
            "waits for a yes: nothing expires",
            "staffeln plan --action delete shows them; staffeln retention "
            "confirm says yes",
        )
    yield fine("nothing is paused, and no round waits")


def protection(
    candidate: model.Candidate,
    history: model.History,
    now: datetime.datetime,
    stale_after: datetime.timedelta,
) -> Finding | None:
    """Whether a selected volume has a backup that is new enough."""
    volume = candidate.volume
    name = f"volume {volume.id} of project {volume.project_id}"
    where = {
        "volume_id": volume.id,
        "project_id": volume.project_id,
        "server_id": candidate.server_id,
    }
    why = "; ".join(sorted(history.unreported_failures)[:_NAMED])
    because = f": {why}" if why else ""
    todo = f"staffeln plan --volume {volume.id} says what comes next"
    if why:
        todo = f"staffeln task list --volume {volume.id} shows the failures"
    last = history.last_success_at
    if last is not None and now - last > stale_after:
        return warning(
            "stale",
            f"{name} was last backed up {_words(now - last)} ago, more than "
            f"{_words(stale_after)}{because}",
            todo,
            **where,
        )
    since = history.live_since
    if last is not None or (since is not None and now - since < stale_after):
        return None
    return warning(
        "never-protected", f"{name} has no backup{because}", todo, **where
    )


def _words(length: datetime.timedelta) -> str:
    return str(datetime.timedelta(seconds=int(length.total_seconds())))
