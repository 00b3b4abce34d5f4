# SPDX-License-Identifier: Apache-2.0
"""All that runs in a chaos run: servers, cloud, proxy and conductors."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping

from sandbox.scenery import CLOUD, Sandbox, Tenant
from staffeln.tests.integration.base import Deployment
from staffeln.tests.integration.proxy import Proxy
from staffeln.tests.servers.kubernetes import Kubernetes
from staffeln.tests.servers.mariadb import MariaDB
from tools.chaos import launcher

KEY = "chaos"
TAG = {KEY: "true"}
DATABASE = "chaos"
VOLUMES_OF_A_SERVER = 3

LIMIT = 12
"""Backups that may run at once."""
LEASE = {
    "lease_duration": 6,
    "lease_renew_deadline": 4,
    "lease_retry_period": 1,
}
SILENCE = 8
"""Seconds after which a silent conductor counts as dead."""
RESTARTED = 1
"""The exit code after which systemd starts a conductor again."""
SETTLE = 12
"""Seconds for which an unanswered attempt is looked up."""
LATE = 5.0
"""Seconds until a late request is carried out; within the settle time."""
ABSENCE = 15
INTERVAL = 45
"""Seconds between two backups of a volume."""


@dataclasses.dataclass(frozen=True)
class Scene:
    """What is to be backed up."""

    tenants: tuple[Tenant, ...]
    volumes: tuple[str, ...]


class Conductor(Deployment):
    """One conductor, started through the launcher."""

    def __init__(
        self,
        name: str,
        directory: pathlib.Path,
        clouds_file: pathlib.Path,
        options: Mapping[str, Mapping[str, object]],
        environment: Mapping[str, str],
        database: str,
    ) -> None:
        self.name = name
        self.expected_to_run = False
        super().__init__(
            directory, clouds_file, options, environment, database
        )

    def _command(self, module: str, *arguments: str) -> list[str]:
        command = super()._command(module, *arguments)
        return [
            launcher.__name__ if each == "staffeln.cmd.conductor" else each
            for each in command
        ]

    def begin(self) -> None:
        """Start it, if it does not run."""
        if not self.running:
            self.start()
        self.expected_to_run = True

    def end(self, number: signal.Signals) -> None:
        """Kill it, or ask it to end and wait until it has."""
        self.expected_to_run = False
        if number is signal.SIGKILL:
            self.kill()
        elif self.running:
            # One that stands still hears it as well.
            self.signal(signal.SIGCONT, to_all=True)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.stop()
            self.kill()

    def stand_still(self) -> None:
        """Stop all of its processes."""
        with contextlib.suppress(ProcessLookupError):
            self.signal(signal.SIGSTOP, to_all=True)

    def go_on(self) -> None:
        """Let them go on; harmless when they do."""
        with contextlib.suppress(ProcessLookupError):
            self.signal(signal.SIGCONT, to_all=True)

    @property
    def died(self) -> bool:
        """Whether it has ended without being told to.

        One that finds the database away at its start ends with 1, and is
        started again, as systemd does.
        """
        if not self.expected_to_run or self.running:
            return False
        if self.exit_code == RESTARTED:
            self.begin()
            return False
        return True


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
        self.stood_still: dict[str, int] = {}
        """How often conductors stopped themselves, by where."""
        self._waking: list[threading.Timer] = []
        try:
            self._begin(folder, seed, plant, conductors)
        except BaseException:
            self.close()
            raise

    def _begin(
        self, folder: pathlib.Path, seed: str, plant: str, conductors: int
    ) -> None:
        self.mariadb = MariaDB()
        self._stack.callback(self.mariadb.stop)
        self.mariadb.run("SET GLOBAL max_connections = 500")
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
                options(kubeconfig),
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
            self.sandbox.project(f"{KEY}-{os.getpid()}-{number}")
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

    def cinder(self, command: str) -> None:
        """Stop or start Cinder."""
        subprocess.run(
            [str(CLOUD), command, "cinder", "--name", self._sandbox_name],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )

    # -- conductors that stand still ---------------------------------------

    def wake_the_still(self, seconds: Callable[[str], float]) -> list[str]:
        """Let those that stopped themselves go on, after so many seconds.

        :param seconds: by where they stand still.
        :returns: a line for each that did since the last call.
        """
        lines = []
        for note in self._stops.iterdir():
            where = note.read_text()
            if not where:
                continue
            note.unlink()
            pid, pause = int(note.name), seconds(where)
            self.stood_still[where] = self.stood_still.get(where, 0) + 1
            lines.append(f"process {pid} stands still {where}, {pause:.0f} s")
            timer = threading.Timer(pause, _continue, (pid,))
            timer.daemon = True
            timer.start()
            self._waking.append(timer)
        return lines


def options(kubeconfig: str) -> dict[str, dict[str, object]]:
    """What all conductors are told: as in production, but quicker."""
    return {
        "DEFAULT": {"debug": False, "graceful_shutdown_timeout": 20},
        "coordination": {"kubeconfig": kubeconfig, **LEASE},
        "openstack": {
            "retry_timeout": 15,
            "max_retry_interval": 2,
            "connect_timeout": 5,
            "read_timeout": 8,
            "create_settle_time": f"{SETTLE}s",
        },
        "conductor": {
            "backup_metadata_key": KEY,
            "backup_service_period": 4,
            "backup_min_interval": INTERVAL,
            "backup_cycle_timeout": "2min",
            "task_poll_period": 2,
            "retention_service_period": 5,
            "heartbeat_timeout": f"{SILENCE}s",
            "failure_backoff": "3s",
            "failure_backoff_max": "15s",
            "full_only_period": "1min",
            "absence_settle_time": f"{ABSENCE}s",
            "max_running_backups": LIMIT,
            "backup_workers": 8,
        },
    }


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
