# SPDX-License-Identifier: Apache-2.0
"""From facts to findings: pure functions, one or two for each check."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence

from staffeln import ports
from staffeln.domain import errors, freshness, model, report
from staffeln.domain.findings import (
    Finding,
    error,
    fine,
    not_checked,
    warning,
)
from staffeln.status.patient import Configured, DatabaseState, Office

NEARLY = 0.9
"""A quota that is taken so far is worth a warning."""

SYNC_WAIT = 7
"""``mysql_wsrep_sync_wait``: reads, updates and inserts wait."""

ACTING = frozenset({"admin", "member"})
"""Roles with which Cinder's own policy lets somebody make backups."""

_NAMED = 3


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


def backup_services(found: Sequence[model.BackupService]) -> Iterator[Finding]:
    """Whether anybody can carry backups out."""
    able = [each for each in found if each.enabled and each.up]
    if not found:
        yield error(
            "no-backup-service",
            "Cinder has no cinder-backup service: nothing can be backed up",
            "deploy cinder-backup, and see openstack volume service list",
        )
    for each in found:
        if each in able:
            continue
        state = "down" if not each.up else "disabled"
        make = error if not able else warning
        yield make(
            f"backup-service-{state}",
            f"cinder-backup on {each.host} is {state}"
            + ("" if able else ": nobody is left to make backups"),
            f"start cinder-backup on {each.host}, and see its log"
            if state == "down"
            else f"openstack volume service set --enable {each.host} "
            "cinder-backup",
            host=each.host,
        )
    yield fine(f"{len(able)} up")


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
            "clock-unread", f"Cinder's clock: {unread}", "see cinder"
        )
    yield fine(f"those of this host, database and Cinder within {tolerance}")


def selection(found: model.Inventory, rule: str) -> Iterator[Finding]:
    """What is to be protected, and what of the cloud could not be read."""
    for problem in found.problems:
        yield warning(
            "not-read",
            problem,
            "see the log of the service that it names; what is absent from "
            "an incomplete list is not taken for gone",
        )
    if not found.candidates and not found.problems:
        yield warning(
            "nothing-selected",
            f"of {found.servers_seen} servers none has a volume to protect: "
            f"{rule}",
            "set the metadata key on servers, or correct [conductor] "
            "backup_metadata_key",
            option="[conductor] backup_metadata_key",
        )
    yield fine(
        f"{len(found.candidates)} volumes of {found.servers_selected} of "
        f"{found.servers_seen} servers"
    )


def role(
    project_id: str,
    roles: Sequence[str] | errors.CloudError,
    volumes: int,
    *,
    enabled: bool | None,
    user_id: str,
) -> Finding | None:
    """Whether the service user can act in a project; None: it can.

    :param volumes: selected ones; 0: it only has managed backups.
    :param enabled: None: nobody knows.
    """
    holds = f"{volumes} selected volume(s)" if volumes else "managed backups"
    name = f"project {project_id}"
    if isinstance(roles, errors.NoRoleError):
        if enabled is False:
            return warning(
                "project-disabled",
                f"{name} has {holds} and is disabled: nothing of it is "
                "backed up or expires",
                f"openstack project set --enable {project_id}, or take the "
                "metadata key off its servers",
                project_id=project_id,
            )
        make = error if volumes else warning
        return make(
            "no-role",
            f"the service user has no role in {name}, which has {holds}",
            f"openstack role add --user {user_id} --project {project_id} "
            "member",
            project_id=project_id,
        )
    if isinstance(roles, errors.CloudError):
        return not_checked(
            "role-unread",
            f"{name}: {roles}",
            "see keystone",
            project_id=project_id,
        )
    if not ACTING.intersection(each.lower() for each in roles):
        return warning(
            "role-not-enough",
            f"in {name}, which has {holds}, the service user has only "
            f"{', '.join(roles)}: Cinder's own policy wants member",
            f"openstack role add --user {user_id} --project {project_id} "
            "member",
            project_id=project_id,
        )
    return None


def quota(
    project_id: str, found: report.Quotas | errors.CloudError
) -> Finding | None:
    """Whether a project has room for another backup; None: it has."""
    name = f"project {project_id}"
    if isinstance(found, errors.CloudError):
        return not_checked(
            "quota-unread",
            f"quotas of {name}: {found}",
            "see cinder",
            project_id=project_id,
        )
    for limit, unit, option in (
        (found.backups, "backups", "--backups"),
        (found.gigabytes, "GiB of backups", "--backup-gigabytes"),
    ):
        todo = (
            f"openstack quota set {option} NUMBER {project_id}, or a shorter "
            "retention"
        )
        if limit.limit >= 0 and limit.taken >= limit.limit:
            return error(
                "quota-used-up",
                f"{name} has selected volumes, and its quota of "
                f"{limit.limit} {unit} is used up ({limit.taken})",
                todo,
                project_id=project_id,
            )
        if limit.rate is not None and limit.rate >= NEARLY:
            return warning(
                "quota-nearly-used-up",
                f"{name} has taken {limit.taken} of its {limit.limit} {unit}",
                todo,
                project_id=project_id,
            )
    return None


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


def orphan(shown: model.CloudBackup) -> Finding:
    """A backup of ours in Cinder that has no row."""
    return warning(
        "orphan",
        f"backup {shown.id} of volume {shown.volume_id} in project "
        f"{shown.project_id} is of this deployment and has no row: it does "
        "not expire, and no check protects it by its id",
        "a reconciliation gives it a row when it is a day old "
        "(orphan_settle_time); if it is older, see the conductor's log for "
        "Reconciliation",
        backup_id=shown.id,
        volume_id=shown.volume_id,
        project_id=shown.project_id,
    )


# -- staffeln-api ------------------------------------------------------------


def unmanaged_answer(
    url: str, status: int, text: str, problems: Sequence[str]
) -> Finding | None:
    """What was said of a backup that nobody manages; None: ``True``.

    Quotation marks around it are nothing to Cinder.
    """
    if status == 200 and text.strip('"') == "True":
        return None
    because = f"; it says: {'; '.join(problems)}" if problems else ""
    return error(
        "refuses-all",
        f"staffeln-api at {url} answers {_answer(status, text)} for a backup "
        f"that nobody manages, so members can delete no backup at all"
        f"{because}",
        _elsewhere(status)
        or "see the log of staffeln-api, its [database] and a proxy before it",
        url=url,
    )


def managed_answer(
    url: str, backup_id: str, status: int, text: str
) -> Finding | None:
    """What was said of a managed backup; None: ``False``."""
    if text.strip().strip('"') != "True":
        if status == 200 and text.strip('"') == "False":
            return None
        return error(
            "no-verdict",
            f"staffeln-api at {url} answers {_answer(status, text)} for the "
            f"managed backup {backup_id}, and not False",
            _elsewhere(status)
            or "see the log of staffeln-api and a proxy before it",
            url=url,
            backup_id=backup_id,
        )
    return error(
        "allows-managed",
        f"what answers at {url} lets everybody delete the managed backup "
        f"{backup_id}: it says True",
        "make sure that it is staffeln-api, with the [database] of this "
        "deployment",
        url=url,
        backup_id=backup_id,
    )


def _answer(status: int, text: str) -> str:
    # Not stripped: a line break alone is what Cinder takes for a no.
    shown = text[:80]
    return f"HTTP {status} with {shown!r}" if shown else f"HTTP {status}"


def _elsewhere(status: int) -> str:
    """What helps where a redirection is answered; empty: it is none."""
    if not 300 <= status < 400:
        return ""
    return (
        "name the address that it redirects to, here and in Cinder's policy: "
        "who follows a redirection may ask in another way"
    )


# -- conductors --------------------------------------------------------------


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


def _words(length: datetime.timedelta) -> str:
    return str(datetime.timedelta(seconds=int(length.total_seconds())))


def unfinished(
    kind: str, left: int, total: int, what: str, seconds: float
) -> Finding:
    """What time was not enough for."""
    return not_checked(
        kind,
        f"{left} of {total} {what}: {seconds:g} s were not enough",
        "give more time with --timeout",
    )


def by_project(found: model.Inventory) -> Mapping[str, int]:
    """How many selected volumes each project has."""
    counts: dict[str, int] = {}
    for each in found.candidates:
        project_id = each.volume.project_id
        counts[project_id] = counts.get(project_id, 0) + 1
    return counts
