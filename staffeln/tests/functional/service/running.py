# SPDX-License-Identifier: Apache-2.0
"""A deployment whose services run, on a simulated cloud."""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
import uuid
from collections.abc import Mapping

from benchmarks.cloud import Behaviour, Shape, Simulated
from staffeln.tests import base, leaks
from staffeln.tests.servers import process

LIMIT = 90
"""Seconds for whatever has to happen, on a busy machine."""

SHAPE = Shape(servers=2, volumes=3, projects=2)
BEHAVIOUR = Behaviour(backup_time=0.5, delete_time=0.2)

_OPTIONS: Mapping[str, Mapping[str, object]] = {
    "openstack": {"retry_timeout": 5, "max_retry_interval": 1},
    "conductor": {
        "backup_service_period": 2,
        "task_poll_period": 1,
        "retention_service_period": 2,
    },
}


class Deployment:
    """One database with its configuration; services are started on it."""

    def __init__(
        self,
        folder: pathlib.Path,
        cloud: Simulated,
        url: str,
        options: Mapping[str, Mapping[str, object]],
    ) -> None:
        """:param url: of the database."""
        self.folder = folder
        self.port = process.free_port()
        self.configuration = folder / "staffeln.conf"
        self._clouds = folder / "clouds.yaml"
        name = cloud.write_clouds(self._clouds)
        groups: dict[str, dict[str, object]] = {
            "DEFAULT": {"state_path": folder},
            "database": {"connection": url},
            "openstack": {"cloud": name},
            "api": {"port": self.port, "workers": 1},
        }
        for source in (_OPTIONS, options):
            for group, values in source.items():
                groups.setdefault(group, {}).update(values)
        self.configuration.write_text(
            "".join(
                f"[{group}]\n"
                + "".join(f"{key} = {value}\n" for key, value in each.items())
                for group, each in groups.items()
            )
        )
        self.configuration.chmod(0o600)
        self._clouds.chmod(0o600)
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def run(
        self, module: str, *arguments: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, by its module in cmd/."""
        return subprocess.run(
            self._command(module, *arguments),
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )

    def start(self, module: str) -> None:
        """Start a service, in a process group of its own."""
        with (self.folder / f"{module}.out").open("ab") as output:
            self._running[module] = subprocess.Popen(
                self._command(
                    module, "--log-file", str(self.log_file(module))
                ),
                env=self._environment(),
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def stop(self, module: str) -> int:
        """Ask a service to end; its exit code."""
        running = self._running.pop(module)
        running.send_signal(signal.SIGTERM)
        return running.wait(LIMIT)

    def leaks(self) -> list[str]:
        """Where a service told a password or a token."""
        secrets = [
            *leaks.of_configuration(self.configuration),
            *leaks.of_clouds(self._clouds),
        ]
        return leaks.found(leaks.texts_below(self.folder), secrets)

    def kill(self) -> None:
        """End all that runs."""
        for running in self._running.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)
            running.wait()

    def log_file(self, module: str) -> pathlib.Path:
        """Where a service logs."""
        return self.folder / f"{module}.log"

    def log(self, module: str) -> str:
        """All that a service logged and printed."""
        return "".join(
            path.read_text()
            for path in (
                self.log_file(module),
                self.folder / f"{module}.out",
            )
            if path.exists()
        )

    def wait_for_log(
        self, module: str, expression: str, times: int = 1
    ) -> None:
        """Wait until so many lines of a log have the expression."""
        limit = time.monotonic() + LIMIT
        while len(re.findall(expression, self.log(module))) < times:
            if time.monotonic() > limit:
                raise AssertionError(
                    f"no {expression!r}: {self.log(module)[-4000:]}"
                )
            threading.Event().wait(0.1)

    def check(self, backup_id: str, request_id: str = "") -> str:
        """What the API answers to whether a backup may be deleted."""
        asked = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/v1/backup?backup_id={backup_id}",
            b"",
            {"X-Openstack-Request-Id": request_id},
        )
        with urllib.request.urlopen(asked, timeout=LIMIT) as answer:
            return str(answer.read().decode())

    def _command(self, module: str, *arguments: str) -> list[str]:
        return [
            sys.executable,
            "-m",
            f"staffeln.cmd.{module}",
            "--config-file",
            str(self.configuration),
            *arguments,
        ]

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "LC_ALL": "C.UTF-8",
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "PYTHONWARNINGS": "ignore",
            "OS_CLIENT_CONFIG_FILE": str(self._clouds),
            "no_proxy": "127.0.0.1",
        }


class ServiceCase(base.TestCase):
    """A test with a simulated cloud."""

    def setUp(self) -> None:
        super().setUp()
        self.cloud = Simulated(SHAPE, BEHAVIOUR)
        self.cloud.__enter__()
        self.addCleanup(self.cloud.__exit__, None, None, None)

    def deployment(
        self, url: str | None = None, **options: Mapping[str, object]
    ) -> Deployment:
        """A deployment on the cloud.

        :param url: of a database; None: a new SQLite file.
        """
        folder = self.make_temp_dir()
        found = url or f"sqlite:///{folder}/staffeln.sqlite"
        made = Deployment(folder, self.cloud, found, options)
        self.addCleanup(lambda: self.assertEqual([], made.leaks()))
        self.addCleanup(made.kill)
        return made

    def make_schema(self, deployment: Deployment) -> None:
        """Make the schema in its database."""
        done = deployment.run("db_manage", "create_schema")
        self.assertEqual((0, ""), (done.returncode, done.stderr))


NO_BACKUP = str(uuid.UUID(int=0))
"""The id of a backup that nobody has."""
