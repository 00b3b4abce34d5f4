# SPDX-License-Identifier: Apache-2.0
"""What it takes until something has started.

The commands are run as operators run them, each in a process of its own
(a conductor is two). A conductor counts as started when the simulated cloud
is asked for its first page of servers; ``staffeln plan`` is run to its end.
Times and memory are those of the commands' processes alone.

``all of it`` is how it would be if each program loaded whatever is there.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence

from benchmarks import arguments
from benchmarks.cloud import Shape, Simulated
from benchmarks.scale import seeding, serving
from benchmarks.scale.tables import Table, Taken, ratio, tell_growth

HEADINGS = (
    "what" + 36 * " ",
    "volumes",
    "CPU, s",
    "floor",
    "x       ",
    "wall, s",
    "MiB",
)
NOTHING = "pass"
LIBRARIES = """
import keystoneauth1.loading, keystoneauth1.session, requests
import oslo_config.cfg, oslo_db.sqlalchemy.enginefacade, oslo_log.log
import oslo_service.service, sqlalchemy
"""
"""What a conductor works by, with nothing of ours."""
CLI_LIBRARIES = "import cliff.app, cliff.commandmanager"
ALL = """
import importlib, pkgutil, staffeln
for each in pkgutil.walk_packages(staffeln.__path__, "staffeln."):
    if not {"tests", "alembic", "wsgi"} & set(each.name.split(".")):
        importlib.import_module(each.name)
"""
LONGEST = 120.0
"""Seconds that a start may take."""
_TICK = os.sysconf("SC_CLK_TCK")


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What it took."""

    cpu: float
    seconds: float
    memory: float
    """MiB at most, of all its processes together."""


def run(
    command: Sequence[str], environment: Mapping[str, str] | None = None
) -> Outcome:
    """Run a command to its end.

    :raises RuntimeError: it failed.
    """
    began = time.monotonic()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command,
            env={**os.environ, **(environment or {})},
            stdout=subprocess.DEVNULL,
            stderr=said,
        )
        place = pathlib.Path("/proc") / str(process.pid)
        peak = 0.0
        # What wait4() tells of memory begins with that of this process.
        while True:
            ended, status, used = os.wait4(process.pid, os.WNOHANG)
            if ended:
                break
            with contextlib.suppress(OSError):
                peak = max(peak, _peak(place))
            time.sleep(0.005)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise RuntimeError(f"{command} failed: {said.read()!r}")
    return Outcome(
        used.ru_utime + used.ru_stime,
        time.monotonic() - began,
        peak,
    )


def python(text: str) -> Outcome:
    """Run some Python; the second time, when all is compiled."""
    command = [sys.executable, "-c", text]
    run(command)
    return run(command)


def module(name: str, *arguments: str, **environment: str) -> Outcome:
    """Run one of the commands to its end."""
    command = [sys.executable, "-m", f"staffeln.cmd.{name}", *arguments]
    return run(command, environment)


def start_conductor(
    cloud: Simulated, configuration: pathlib.Path, environment: dict[str, str]
) -> Outcome:
    """Start a conductor, and end it as soon as it harvests.

    :raises RuntimeError: it ends, or it never harvests.
    """
    cloud.reset()
    began = time.monotonic()
    with (configuration.parent / "conductor.out").open("wb") as said:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "staffeln.cmd.conductor",
                "--config-file",
                str(configuration),
            ],
            env={**os.environ, **environment},
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    try:
        while not cloud.counts().of("GET", "/servers/detail"):
            late = time.monotonic() - began > LONGEST
            if late or process.poll() is not None:
                raise RuntimeError(
                    (configuration.parent / "conductor.out").read_text()
                )
            time.sleep(0.01)
        seconds = time.monotonic() - began
        found = list(_members(process.pid))
        return Outcome(
            sum(_cpu(each) for each in found),
            seconds,
            sum(_peak(each) for each in found),
        )
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _members(group: int) -> Iterator[pathlib.Path]:
    """Where the kernel tells of the processes of a group."""
    for each in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int(_fields(each)[2]) == group:
                yield each


def _fields(process: pathlib.Path) -> list[str]:
    """What follows the name in a process's ``stat``."""
    return (process / "stat").read_text().rpartition(") ")[2].split()


def _cpu(process: pathlib.Path) -> float:
    """Seconds, of its ended children too."""
    return sum(map(int, _fields(process)[11:15])) / _TICK


def _peak(process: pathlib.Path) -> float:
    """MiB at most."""
    for line in (process / "status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


@contextlib.contextmanager
def held(
    databases: serving.Databases, volumes: int
) -> Iterator[tuple[Simulated, pathlib.Path, dict[str, str]]]:
    """A cloud, its database, and what a conductor reads to find them."""
    shape = Shape(
        servers=max(1, volumes // 2),
        volumes=volumes,
        projects=max(1, volumes // 50),
        chain=3,
    )
    with (
        tempfile.TemporaryDirectory() as name,
        Simulated(shape) as cloud,
        databases.new() as (url, database),
    ):
        folder = pathlib.Path(name)
        seeding.write(database, shape, serving.ME)
        clouds = folder / "clouds.yaml"
        known_as = cloud.write_clouds(clouds)
        configuration = folder / "staffeln.conf"
        configuration.write_text(
            f"[DEFAULT]\nstate_path = {folder}\n"
            f"log_file = {folder / 'conductor.log'}\n"
            f"[openstack]\ncloud = {known_as}\n"
            f"[database]\nconnection = {url.replace('%', '%%')}\n"
        )
        yield cloud, configuration, {"OS_CLIENT_CONFIG_FILE": str(clouds)}


def tell(
    table: Table,
    what: str,
    found: Outcome,
    floor: Outcome,
    volumes: int | None = None,
) -> Taken:
    """Print a line."""
    table.line(
        what,
        volumes,
        found.cpu,
        floor.cpu,
        ratio(found.cpu, floor.cpu),
        found.seconds,
        round(found.memory),
    )
    return Taken(found.cpu, found.memory)


def measure_programs(table: Table, libraries: Outcome) -> None:
    """What each program takes until it does something."""
    nothing = python(NOTHING)
    cli = python(CLI_LIBRARIES)
    tell(table, "Python that does nothing", nothing, nothing)
    tell(table, "all of it", python(ALL), nothing)
    for program, name, floor in (
        ("staffeln", "cli", cli),
        ("staffeln-api", "api", cli),
        ("staffeln-conductor", "conductor", libraries),
    ):
        tell(table, f"{program} --help", module(name, "--help"), floor)
    tell(table, "the libraries of a conductor", libraries, libraries)


def measure_deployment(
    table: Table,
    databases: serving.Databases,
    volumes: int,
    libraries: Outcome,
) -> dict[str, Taken]:
    """What starts beside a cloud and a database of some size take."""
    with held(databases, volumes) as (cloud, configuration, variables):
        started = start_conductor(cloud, configuration, variables)
        arguments = ("--config-file", str(configuration), "plan")
        planned = module("cli", *arguments, **variables)
        return {
            what: tell(table, what, found, libraries, volumes)
            for what, found in (
                ("conductor, until it harvests", started),
                ("staffeln plan, to its end", planned),
            )
        }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--volumes",
        type=arguments.whole(),
        nargs="*",
        default=[1_000, 10_000, 100_000],
    )
    parser.add_argument("--database", choices=serving.KINDS, default="mariadb")
    options = parser.parse_args()
    table = Table(HEADINGS)
    libraries = python(LIBRARIES)
    measure_programs(table, libraries)
    with contextlib.ExitStack() as stack:
        databases = serving.Databases(options.database, stack)
        tell_growth(
            {
                volumes: measure_deployment(
                    table, databases, volumes, libraries
                )
                for volumes in options.volumes
            },
            "volumes",
        )
    return 0


if __name__ == "__main__":
    arguments.leave(main)
