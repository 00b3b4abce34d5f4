# SPDX-License-Identifier: Apache-2.0
"""Waits until the cloud is up, not only its processes."""

from __future__ import annotations

import datetime
import socket
import time
import urllib.error
from typing import Any

from sandbox_cloud import processes, rest
from sandbox_cloud.errors import PortTaken, SandboxError
from sandbox_cloud.layout import HOST, Layout, Settings
from sandbox_cloud.progress import Progress
from sandbox_cloud.services import Service

LIMIT = 180.0  # seconds
PAUSE = 0.2
AGENTS = {
    "nova-conductor",
    "nova-scheduler",
    "nova-compute",
    "cinder-scheduler",
    "cinder-volume",
    "cinder-backup",
}


def check_free(services: list[Service]) -> None:
    """Raise PortTaken when somebody listens where a service should."""
    for service in services:
        with socket.socket() as probe:
            # Without it a port whose connections just ended looks taken.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, service.port))
            except OSError as error:
                raise PortTaken(
                    f"port {service.port}, which {service.name} needs, is"
                    f" taken ({error.strerror}); choose others with"
                    " --base-port"
                ) from None


def wait_for_ports(
    layout: Layout, services: list[Service], progress: Progress
) -> None:
    """Until every service accepts connections; one that died is an error."""
    limit = time.monotonic() + LIMIT
    waiting = list(services)
    while waiting:
        waiting = [each for each in waiting if not listens(each.port)]
        check_alive(layout, services)
        names = ", ".join(each.name for each in waiting)
        progress.detail(f"waiting for {names}")
        if time.monotonic() > limit:
            raise SandboxError(f"nothing listens yet: {names}; {_see(layout)}")
        if waiting:
            time.sleep(PAUSE)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def check_alive(layout: Layout, services: list[Service]) -> None:
    """Raise SandboxError, with its last words, when a service has died."""
    records = processes.recorded(layout)
    for service in services:
        record = records.get(service.name)
        if record is None or not record.alive():
            log = layout.log / f"{service.name}.out"
            lines = log.read_text(errors="replace").strip().splitlines()
            last = lines[-1] if lines else "no output"
            raise SandboxError(
                f"{service.name} ended by itself: {last}; {_see(layout)}"
            )


def wait_for_agents(
    layout: Layout,
    settings: Settings,
    services: list[Service],
    since: datetime.datetime,
    progress: Progress,
) -> None:
    """Until every agent has given a sign of life after ``since`` (UTC).

    A database from an earlier run calls them up for a while longer, so
    their word alone is not enough.
    """
    limit = time.monotonic() + LIMIT
    while True:
        try:
            missing = _missing(settings, since)
        except (OSError, urllib.error.HTTPError) as error:
            missing = str(error)
        if not missing:
            return
        check_alive(layout, services)
        progress.detail(f"waiting for {missing}")
        if time.monotonic() > limit:
            raise SandboxError(f"still not there: {missing}; {_see(layout)}")
        time.sleep(PAUSE)


def _missing(settings: Settings, since: datetime.datetime) -> str:
    """What is not there yet, in words; nothing when all is."""
    token, project = rest.project_token(settings, "admin", "admin")

    def get(url: str) -> Any:
        return rest.call("GET", url, token=token)[0]

    nova = settings.url("nova") + "/v2.1"
    cinder = f"{settings.url('cinder')}/v3/{project}"
    agents = get(f"{nova}/os-services")["services"]
    agents += get(f"{cinder}/os-services")["services"]
    up = {
        each["binary"]
        for each in agents
        if each["state"] == "up" and _seen(each) >= since
    }
    if AGENTS - up:
        return ", ".join(sorted(AGENTS - up))
    if not get(f"{nova}/os-hypervisors")["hypervisors"]:
        return "the hypervisor"
    providers = settings.url("placement") + "/resource_providers"
    if not get(providers)["resource_providers"]:
        return "the inventory of the hypervisor"
    if not get(f"{cinder}/scheduler-stats/get_pools")["pools"]:
        return "the capacity of the volume store"
    return ""


def _seen(agent: dict[str, Any]) -> datetime.datetime:
    """When an agent was last heard of (UTC)."""
    never = "0001-01-01T00:00:00"
    moment = datetime.datetime.fromisoformat(agent["updated_at"] or never)
    return moment.replace(tzinfo=datetime.UTC)


def _see(layout: Layout) -> str:
    return f"see {layout.log}"
