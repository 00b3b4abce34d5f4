# SPDX-License-Identifier: Apache-2.0
"""All that runs in a chaos run: servers, cloud, proxy and conductors."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import signal
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

from sandbox.scenery import CLOUD, Sandbox, Tenant
from staffeln.tests import base
from staffeln.tests.integration.proxy import Harm, Proxy, Rule
from staffeln.tests.servers.kubernetes import Kubernetes
from staffeln.tests.servers.mariadb import MariaDB
from tools.chaos import launcher, settings
from tools.chaos.conductor import Conductor

TAG = {settings.KEY: "true"}
DATABASE = "chaos"
VOLUMES_OF_A_SERVER = 3

_DATABASE_OPTIONS = (
    # The tests' servers may lose a second when they are killed: what was
    # committed would be undone, which no database in use does.
    "--innodb-flush-log-at-trx-commit=1",
    "--max-connections=500",
)
_LOST_MESSAGES = (
    # Accepted, but on its way to the backup service: whose start sets what
    # is its own, and still being made, to error.
    "UPDATE backups SET host = 'sandbox' WHERE status = 'creating' "
    "AND host IS NULL AND NOT deleted",
    # Marked as busy, but no backup was written: nobody else would end it.
    "UPDATE volumes SET status = COALESCE(previous_status, 'in-use') "
    "WHERE NOT deleted AND status = 'backing-up' AND id NOT IN (SELECT "
    "volume_id FROM backups WHERE status = 'creating' AND NOT deleted)",
)


@dataclasses.dataclass(frozen=True)
class Scene:
    """What is to be backed up."""

    tenants: tuple[Tenant, ...]
    volumes: tuple[str, ...]


class World:
    """The servers, the cloud and three conductors."""

    def __init__(
        self,
        folder: pathlib.Path,
        sandbox: Sandbox,
        sandbox_name: str,
        *,
        seed: str,
        plant: str = "",
        conductors: int = 3,
    ) -> None:
        self.sandbox = sandbox
        self._sandbox_name = sandbox_name
        self._stops = folder / "stops"
        self._stops.mkdir()
        self._stack = contextlib.ExitStack()
        self.stood_still: Counter[str] = Counter()
        """How often conductors stopped themselves, by where."""
        self.harmed: Counter[str] = Counter()
        """How many calls to the cloud were harmed, by how."""
        self._waking: list[threading.Timer] = []
        try:
            self._begin(folder, seed, plant, conductors)
        except BaseException:
            self.close()
            raise

    def _begin(
        self, folder: pathlib.Path, seed: str, plant: str, conductors: int
    ) -> None:
        self.mariadb = MariaDB(*_DATABASE_OPTIONS)
        self._stack.callback(self.mariadb.stop)
        self.kubernetes = Kubernetes()
        self._stack.callback(self.kubernetes.stop)
        self.proxy = self._stack.enter_context(Proxy())
        database = self.mariadb.create(DATABASE)
        kubeconfig = self.kubernetes.kubeconfig(
            folder / "kubeconfig", self.kubernetes.make_namespace()
        )
        self.conductors = [
            Conductor(
                f"c{number}",
                _made(folder / f"c{number}"),
                self.sandbox.clouds_file,
                settings.options(kubeconfig),
                {
                    "http_proxy": self.proxy.url,
                    "no_proxy": "",
                    launcher.STOPS: str(self._stops),
                    launcher.SEED: f"{seed} {number}",
                    launcher.PLANT: plant,
                },
                database,
            )
            for number in range(1, conductors + 1)
        ]
        for each in self.conductors:
            self._stack.callback(each.kill)
            self._stack.callback(each.go_on)
        self.conductors[0].create_schema()

    def close(self) -> None:
        """End all of it."""
        for timer in self._waking:
            timer.cancel()
        self._stack.close()

    def make_scene(self, projects: int, volumes: int) -> Scene:
        """Servers with volumes that are to be backed up."""
        tenants = tuple(
            self.sandbox.project(f"{settings.KEY}-{os.getpid()}-{number}")
            for number in range(projects)
        )
        found: list[str] = []
        while len(found) < volumes:
            tenant = tenants[len(found) % projects]
            count = min(VOLUMES_OF_A_SERVER, volumes - len(found))
            made = [
                tenant.volume(f"v{len(found) + number}")
                for number in range(count)
            ]
            tenant.server(f"s{len(found)}", *made, metadata=TAG)
            found += made
        return Scene(tenants, tuple(found))

    # -- the cloud ---------------------------------------------------------

    def kill_cinder(self) -> None:
        """Kill all of Cinder's processes."""
        record = self.sandbox.state / "run" / "cinder.json"
        with contextlib.suppress(OSError):
            os.killpg(json.loads(record.read_text())["pid"], signal.SIGKILL)

    def stop_cinder(self) -> None:
        """Stop Cinder."""
        self._cloud("stop")

    def start_cinder(self) -> None:
        """Start Cinder again, which sets what it left undone to error.

        In the sandbox, messages between Cinder's parts go with its process.
        A real cloud's message queue would keep them, or an operator reset
        what waits for them in vain; here it is done in Cinder's database.
        """
        path = self.sandbox.state / "db" / "cinder.sqlite"
        with contextlib.closing(sqlite3.connect(path, timeout=30)) as cinder:
            for statement in _LOST_MESSAGES:
                cinder.execute(statement)
            cinder.commit()
        self._cloud("start")

    def _cloud(self, command: str) -> None:
        subprocess.run(
            [str(CLOUD), command, "cinder", "--name", self._sandbox_name],
            env=base.HOST_ENVIRONMENT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )

    def heal(self, rule: Rule) -> None:
        """End a harm of the way to the cloud, and count what it did."""
        self.proxy.heal(rule)
        how = rule.harm.name.lower().replace("_", " ")
        if rule.harm is Harm.ANSWER:
            how = f"answered {rule.status}"
        self.harmed[f"{rule.method} {how}"] += rule.used

    # -- conductors that stand still ---------------------------------------

    def be_quiet(self) -> None:
        """Let none stop itself any more."""
        (self._stops / launcher.QUIET).write_text("from now on")

    def wake_the_still(self, seconds: Callable[[str], float]) -> list[str]:
        """Let those that stopped themselves go on, after so many seconds.

        :param seconds: by where they stand still.
        :returns: a line for each that did since the last call.
        """
        lines = []
        for note in self._stops.iterdir():
            where = note.read_text()
            if not where or note.name == launcher.QUIET:
                continue
            note.unlink()
            pid, pause = int(note.name), seconds(where)
            self.stood_still[where] += 1
            lines.append(f"process {pid} stands still {where}, {pause:.0f} s")
            timer = threading.Timer(pause, _continue, (pid,))
            timer.daemon = True
            timer.start()
            self._waking.append(timer)
        return lines


@contextlib.contextmanager
def own_sandbox(name: str, base_port: int) -> Iterator[Sandbox]:
    """A sandbox for this run alone: empty, and stopped at its end."""
    command = [str(CLOUD), "reset", "--name", name]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    up = [str(CLOUD), "up", "--name", name, "--base-port", str(base_port)]
    subprocess.run(up, check=True)
    try:
        yield Sandbox.named(name)
    finally:
        down = [str(CLOUD), "down", "--name", name]
        subprocess.run(down, stdout=subprocess.DEVNULL, check=False)


def _made(folder: pathlib.Path) -> pathlib.Path:
    folder.mkdir()
    return folder


def _continue(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def pause(seconds: float, meanwhile: Callable[[], None]) -> None:
    """Wait so long, and do something each second."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(1.0, left))
        meanwhile()
