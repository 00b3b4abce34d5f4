# SPDX-License-Identifier: Apache-2.0
"""Starts, finds and ends the processes of one sandbox.

A process is known by its pid together with the time at which the kernel
started it, so a pid that was given to somebody else is never touched.  Each
also carries the sandbox's directory in its environment: that finds those
whose record was never written because ``up`` was killed at that moment.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence

from sandbox_cloud.layout import CODE, Layout, write_private

MARK = "STAFFELN_SANDBOX"
# Seconds between SIGTERM and SIGKILL.
PATIENCE = 8.0
PROC = pathlib.Path("/proc")


@dataclasses.dataclass(frozen=True)
class Running:
    """A service's process as it was started."""

    service: str
    pid: int
    started: int
    fingerprint: str

    def alive(self) -> bool:
        return start_time(self.pid) == self.started


def start_time(pid: int) -> int | None:
    """Clock ticks from boot to the start of ``pid``; None when it is over."""
    fields = _stat(pid)
    return int(fields[19]) if fields and fields[0] != "Z" else None


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state on."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rsplit(")", 1)[1].split()


def environment(layout: Layout) -> dict[str, str]:
    """What the sandbox's programs find in their environment."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OS_", "PYTHON"))
        and not name.lower().endswith("_proxy")
    }
    return {
        **inherited,
        MARK: str(layout.root),
        "PYTHONPATH": str(CODE),
        "PYTHONWARNINGS": "ignore",
        # pip has compiled the venv; leave nothing in the checkout.
        "PYTHONDONTWRITEBYTECODE": "1",
        "OS_KEYSTONE_CONFIG_FILES": str(layout.etc / "keystone.conf"),
        "OS_NEUTRON_CONFIG_FILES": str(layout.etc / "neutron.conf"),
        "OS_PLACEMENT_CONFIG_DIR": str(layout.etc),
        "no_proxy": "127.0.0.1,localhost",
    }


def fingerprint(argv: Sequence[str], files: Iterable[pathlib.Path]) -> str:
    """Changes when a service must be started anew to take its settings."""
    seal = hashlib.sha256("\0".join(argv).encode())
    for path in files:
        seal.update(path.read_bytes())
    return seal.hexdigest()


def spawn(
    layout: Layout,
    service: str,
    argv: Sequence[str],
    mark: str,
    **more: str,
) -> Running:
    """Start a service in a session of its own and write its record."""
    with open(layout.log / f"{service}.out", "ab") as out:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**environment(layout), **more},
            cwd=layout.root,
            start_new_session=True,
        )
    running = Running(service, process.pid, start_time(process.pid) or 0, mark)
    write_private(
        layout.run / f"{service}.json", json.dumps(dataclasses.asdict(running))
    )
    return running


def recorded(layout: Layout) -> dict[str, Running]:
    """The last record of each service, whether it still runs or not."""
    found = {}
    for path in sorted(layout.run.glob("*.json")):
        running = Running(**json.loads(path.read_text()))
        found[running.service] = running
    return found


def strays(layout: Layout, known: Iterable[int] = ()) -> set[int]:
    """Processes of this sandbox that belong to none of ``known`` sessions.

    Never the caller's own process, nor one of a container, whose directories
    may be called the same.
    """
    mark = f"{MARK}={layout.root}".encode()
    root = os.stat("/")
    keep = {*known, os.getpid()}
    found = set()
    for entry in PROC.iterdir():
        if not entry.name.isdigit() or int(entry.name) in keep:
            continue
        try:
            marked = mark in (entry / "environ").read_bytes().split(b"\0")
            marked = marked and os.path.samestat(root, (entry / "root").stat())
        except OSError:
            continue
        fields = _stat(int(entry.name))
        if marked and fields and int(fields[3]) not in keep:
            found.add(int(entry.name))
    return found


def stop(layout: Layout, services: Iterable[str]) -> list[str]:
    """End the processes of these services; the names of those that ran."""
    records = recorded(layout)
    chosen = [records[name] for name in services if name in records]
    running = [each for each in chosen if each.alive()]
    end({each.pid for each in running}, groups=True)
    for each in chosen:
        (layout.run / f"{each.service}.json").unlink(missing_ok=True)
    return [each.service for each in running]


def stop_strays(layout: Layout) -> int:
    """End what no record knows of; how many processes that was."""
    known = [each.pid for each in recorded(layout).values() if each.alive()]
    found = strays(layout, known)
    end(found, groups=False)
    return len(found)


def end(pids: Iterable[int], groups: bool) -> None:
    """SIGTERM, wait, SIGKILL; with ``groups`` to the whole groups."""
    births = {pid: start_time(pid) for pid in pids}
    members = {
        pid: birth for pid, birth in births.items() if birth is not None
    }
    if groups:
        for pid in list(members):
            members.update(_group(pid))
    for sign, patience in (
        (signal.SIGTERM, PATIENCE),
        (signal.SIGKILL, PATIENCE),
    ):
        for pid, birth in members.items():
            if start_time(pid) == birth:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, sign)
        limit = time.monotonic() + patience
        while members and time.monotonic() < limit:
            _reap(members)
            members = {
                pid: birth
                for pid, birth in members.items()
                if start_time(pid) == birth
            }
            time.sleep(0.05)


def _group(leader: int) -> dict[int, int]:
    """The living processes of a group, with their start times."""
    found = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields and int(fields[2]) == leader and fields[0] != "Z":
                found[int(entry.name)] = int(fields[19])
    return found


def _reap(pids: Iterable[int]) -> None:
    """Take leave of own children, so that they do not stay as zombies."""
    for pid in pids:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def memory_mib(leader: int) -> float:
    """Memory of a service's processes, shared pages counted by share."""
    total = 0
    for pid in _group(leader):
        with contextlib.suppress(OSError):
            for line in (PROC / str(pid) / "smaps_rollup").open():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
    return total / 1024
