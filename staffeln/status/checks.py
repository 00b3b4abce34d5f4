# SPDX-License-Identifier: Apache-2.0
"""What a doctor looks at: the list of all checks, and what each needs.

Nothing is changed anywhere: no mail is sent, no lease taken, no row written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from staffeln.domain.findings import CHECKS, Finding, Result
from staffeln.status.comparing import OfBoth
from staffeln.status.doctor import AS_LONG, Check
from staffeln.status.looks import SEE_DATABASE, OfCloud, OfDatabase, OnHost
from staffeln.status.patient import Patient

_SEE_CLOUD = "see the log of the service that is named"
_SEE_BOTH = "see the log of what is named, the database or a service"

SHARE = 0.8
"""Of a check's time: then it begins nothing more, and tells what it has."""


def all_checks(patient: Patient, limit: float) -> list[Check]:
    """All checks of a deployment.

    :param limit: seconds that each of them may take.
    """
    on_host = OnHost(patient)
    cloud = OfCloud(patient)
    database = OfDatabase(patient)
    both = OfBoth(patient, cloud, database, limit * AS_LONG * SHARE)
    bad = Result.ERROR
    add = _check
    return [
        add(
            "configuration",
            on_host.configuration,
            failing=bad,
            todo="correct the file, or name another one with --config-file",
        ),
        add("files", on_host.files, todo="see the rights of those files"),
        add(
            "keystone",
            cloud.keystone,
            failing=bad,
            todo="correct the credentials ([openstack], clouds.yaml or OS_* "
            "variables) or see Keystone's log",
        ),
        add(
            "nova",
            cloud.nova,
            needs=("keystone",),
            failing=bad,
            todo="see Nova's log, its endpoint in the catalogue ([openstack] "
            "interface, region_name) and the service user's role admin",
        ),
        add(
            "cinder",
            cloud.cinder,
            needs=("keystone",),
            failing=bad,
            todo="see Cinder's log, its endpoint in the catalogue "
            "([openstack] interface, region_name) and the service user's "
            "role admin",
        ),
        add(
            "backup-services",
            cloud.backup_services,
            needs=("cinder",),
            todo=_SEE_CLOUD,
        ),
        add(
            "database",
            database.database,
            failing=bad,
            todo="see [database] connection, and whether the database runs "
            "and lets this host in",
        ),
        add(
            "schema",
            database.schema,
            needs=("database",),
            failing=bad,
            todo="do what it says; staffeln-db-manage rehearse shows what an "
            "upgrade would do",
        ),
        add(
            "rights",
            database.rights,
            needs=("schema",),
            todo="see the database's log",
        ),
        add("galera", database.galera, needs=("database",), todo=SEE_DATABASE),
        add(
            "deployment",
            both.deployment,
            needs=("cinder", "schema"),
            failing=bad,
            todo="see whether [database] connection and the credentials are "
            "of the same deployment",
        ),
        add(
            "clocks",
            both.clocks,
            needs=("schema",),
            after=("cinder",),
            todo=_SEE_BOTH,
        ),
        add(
            "coordination",
            on_host.coordination,
            failing=bad,
            todo="see [coordination], and whether the service that it names "
            "runs and lets this host in",
        ),
        add(
            "conductors",
            database.conductors,
            needs=("schema",),
            todo=SEE_DATABASE,
        ),
        add("rounds", database.rounds, needs=("schema",), todo=SEE_DATABASE),
        add("brakes", database.brakes, needs=("schema",), todo=SEE_DATABASE),
        add(
            "selection",
            both.selection,
            needs=("nova", "cinder"),
            todo=_SEE_CLOUD,
            long=True,
        ),
        add(
            "roles",
            both.roles,
            needs=("selection",),
            after=("schema",),
            todo=_SEE_BOTH,
            long=True,
        ),
        add(
            "quotas",
            both.quotas,
            needs=("selection",),
            todo=_SEE_CLOUD,
            long=True,
        ),
        add(
            "protection",
            both.protection,
            needs=("selection", "schema"),
            todo=SEE_DATABASE,
            long=True,
        ),
        add(
            "orphans",
            both.orphans,
            needs=("deployment",),
            todo=_SEE_BOTH,
            long=True,
        ),
        add(
            "policy",
            database.policy,
            needs=("schema",),
            failing=bad,
            todo="start staffeln-api, or say with --policy-url where Cinder "
            "asks; --skip policy where Cinder does not",
        ),
        add(
            "mail",
            on_host.mail,
            failing=bad,
            todo="correct smtp_* and sender_* in [notification]; until then "
            "no report arrives",
        ),
    ]


def _check(
    name: str,
    look: Callable[[], Iterable[Finding]],
    *,
    needs: tuple[str, ...] = (),
    after: tuple[str, ...] = (),
    failing: Result = Result.NOT_CHECKED,
    todo: str,
    long: bool = False,
) -> Check:
    return Check(
        name=name,
        about=CHECKS[name],
        look=look,
        needs=needs,
        after=after,
        failing=failing,
        todo=todo,
        long=long,
    )
