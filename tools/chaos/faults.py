# SPDX-License-Identifier: Apache-2.0
"""What goes wrong: each fault breaks something and mends it again."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import random
import signal
from collections.abc import Callable

from staffeln.tests.integration.proxy import Harm
from staffeln.tests.servers.process import ServerError
from tools.chaos import settings, world
from tools.chaos.conductor import Conductor
from tools.chaos.world import World

LISTS = {
    "servers": "/servers/detail$",
    "volumes": "/volumes/detail$",
    "backups": "/backups/detail$",
}
CREATE = "/backups$"
INGRESS = b"<html><head><title>404 Not Found</title></head></html>"


@dataclasses.dataclass(frozen=True)
class Fault:
    """One sort of trouble."""

    name: str
    weight: int
    """How often it is chosen, beside the others."""
    longest: float
    """Seconds that it lasts, at most; at least a third of that."""
    strike: Callable[[World, random.Random], Callable[[], None]]
    """Breaks something; returns what mends it."""
    what: str
    """What it takes: of two faults that take the same one waits."""


# -- conductors --------------------------------------------------------------


def _kill(here: World, dice: random.Random) -> Callable[[], None]:
    victim = _one_of(here, dice)
    victim.end()
    return victim.begin


def _terminate(here: World, dice: random.Random) -> Callable[[], None]:
    victim = _one_of(here, dice)
    victim.ask_to_end()
    return victim.begin_again


def _stop(here: World, dice: random.Random) -> Callable[[], None]:
    victim = _one_of(here, dice)
    victim.stand_still()
    return victim.go_on


def _stop_worker(here: World, dice: random.Random) -> Callable[[], None]:
    victim = _one_of(here, dice)
    victim.stand_still(worker_only=True)
    return victim.go_on


def _reload(here: World, dice: random.Random) -> Callable[[], None]:
    victim = _one_of(here, dice)
    if victim.running:
        victim.signal(signal.SIGHUP)
    return lambda: None


def _one_of(here: World, dice: random.Random) -> Conductor:
    return dice.choice(here.conductors)


# -- servers -----------------------------------------------------------------


def _freeze_api(here: World, _dice: random.Random) -> Callable[[], None]:
    here.kubernetes.freeze()
    return here.kubernetes.thaw


def _freeze_etcd(here: World, _dice: random.Random) -> Callable[[], None]:
    here.kubernetes.freeze_etcd()
    return here.kubernetes.thaw


def _restart_api(here: World, _dice: random.Random) -> Callable[[], None]:
    here.kubernetes.end()
    return here.kubernetes.start


def _restart_etcd(here: World, _dice: random.Random) -> Callable[[], None]:
    with contextlib.suppress(ServerError):
        here.kubernetes.restart_etcd()
    return lambda: None


def _restart_mariadb(here: World, _dice: random.Random) -> Callable[[], None]:
    here.mariadb.end()
    return here.mariadb.start


def _kill_mariadb(here: World, _dice: random.Random) -> Callable[[], None]:
    here.mariadb.end(signal.SIGKILL)
    return here.mariadb.start


def _cut_connections(here: World, _dice: random.Random) -> Callable[[], None]:
    here.mariadb.kill_connections(world.DATABASE)
    return lambda: None


def _restart_cinder(here: World, _dice: random.Random) -> Callable[[], None]:
    here.stop_cinder()
    return here.start_cinder


def _kill_cinder(here: World, _dice: random.Random) -> Callable[[], None]:
    here.kill_cinder()
    here.stop_cinder()
    return here.start_cinder


# -- the way to the cloud ----------------------------------------------------


def _between(
    method: str,
    path: Callable[[random.Random], str],
    harm: Harm,
    *,
    times: int = 10**6,
    status: int = 503,
    headers: dict[str, str] | None = None,
    body: bytes = b"",
) -> Callable[[World, random.Random], Callable[[], None]]:
    def strike(here: World, dice: random.Random) -> Callable[[], None]:
        rule = here.proxy.harm(
            method,
            path(dice),
            harm,
            times=times,
            status=status,
            headers=headers,
            body=body,
            delay=dice.uniform(*settings.LATE),
        )
        return lambda: here.heal(rule)

    return strike


def _any_list(dice: random.Random) -> str:
    return dice.choice(sorted(LISTS.values()))


def _anything(dice: random.Random) -> str:
    return dice.choice(["", "/backups", "/volumes", "/os-services", "/auth"])


def _create(_dice: random.Random) -> str:
    return CREATE


def _empty_list(here: World, dice: random.Random) -> Callable[[], None]:
    name = dice.choice(sorted(LISTS))
    rule = here.proxy.harm(
        "GET",
        LISTS[name],
        Harm.ANSWER,
        times=10**6,
        status=200,
        headers={"Content-Type": "application/json"},
        body=json.dumps({name: []}).encode(),
    )
    return lambda: here.heal(rule)


_HTML = {"Content-Type": "text/html"}
_LATER = {"Content-Type": "text/plain", "Retry-After": "2"}

FAULTS = (
    Fault("conductor killed", 10, 6, _kill, "conductor"),
    Fault("conductor stopped (SIGSTOP)", 6, 18, _stop, "conductor"),
    Fault("worker stopped (SIGSTOP)", 5, 18, _stop_worker, "conductor"),
    Fault("conductor ended (SIGTERM)", 6, 6, _terminate, "conductor"),
    Fault("conductor reloaded (SIGHUP)", 4, 1, _reload, "conductor"),
    Fault("API server frozen", 5, 14, _freeze_api, "kubernetes"),
    Fault("etcd frozen", 4, 14, _freeze_etcd, "kubernetes"),
    Fault("API server restarted", 3, 6, _restart_api, "kubernetes"),
    Fault("etcd restarted", 3, 2, _restart_etcd, "kubernetes"),
    Fault("MariaDB restarted", 3, 5, _restart_mariadb, "mariadb"),
    Fault("MariaDB killed", 3, 5, _kill_mariadb, "mariadb"),
    Fault("connections cut", 5, 1, _cut_connections, "mariadb"),
    Fault("Cinder restarted", 2, 5, _restart_cinder, "cinder"),
    Fault("Cinder killed", 2, 5, _kill_cinder, "cinder"),
    Fault(
        "503 to reads",
        5,
        9,
        _between("GET", _anything, Harm.ANSWER, headers=_HTML),
        "reads",
    ),
    Fault(
        "429 with Retry-After",
        4,
        6,
        _between("GET", _anything, Harm.ANSWER, status=429, headers=_LATER),
        "reads",
    ),
    Fault(
        "401 to reads",
        4,
        6,
        _between("GET", _anything, Harm.ANSWER, status=401),
        "reads",
    ),
    Fault(
        "an ingress's 404",
        5,
        9,
        _between(
            "GET",
            _anything,
            Harm.ANSWER,
            status=404,
            headers=_HTML,
            body=INGRESS,
        ),
        "reads",
    ),
    Fault("an empty list", 6, 9, _empty_list, "reads"),
    Fault("reads hang", 4, 12, _between("GET", _any_list, Harm.HANG), "reads"),
    Fault(
        "503 to creates",
        4,
        6,
        _between("POST", _create, Harm.ANSWER, headers=_HTML),
        "creates",
    ),
    Fault(
        "429 to creates",
        3,
        6,
        _between("POST", _create, Harm.ANSWER, status=429, headers=_LATER),
        "creates",
    ),
    Fault(
        "creates hang",
        3,
        12,
        _between("POST", _create, Harm.HANG),
        "creates",
    ),
    Fault(
        "answers to creates dropped",
        8,
        20,
        _between("POST", _create, Harm.DROP_ANSWER, times=4),
        "creates",
    ),
    Fault(
        "creates carried out late",
        8,
        20,
        _between("POST", _create, Harm.LATE, times=4),
        "creates",
    ),
    Fault(
        "creates dropped",
        3,
        12,
        _between("POST", _create, Harm.DROP_REQUEST, times=4),
        "creates",
    ),
    Fault(
        "answers to deletes dropped",
        2,
        8,
        _between("DELETE", lambda _: "/backups/", Harm.DROP_ANSWER),
        "deletes",
    ),
)
