# SPDX-License-Identifier: Apache-2.0
"""What the tests on the sandbox cloud share: cloud, deployment, conductor.

One sandbox for all tests of a process, and another one for each process that
runs beside it; each test selects its servers by a metadata key of its own, so
that tests do not see each other's volumes.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import functools
import json
import logging
import os
import pathlib
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from testtools import content

from sandbox.scenery import CLOUD, Sandbox, wait_for
from staffeln.tests import base, leaks

ROOT = pathlib.Path(__file__).resolve().parents[3]

PLACES = {"test": "16000", "test-2": "18000", "test-3": "19000"}
"""Sandboxes that tests may have, by name, and their first ports."""

DEFAULTS: dict[str, dict[str, object]] = {
    "DEFAULT": {"debug": True, "use_stderr": False},
    "openstack": {
        "cloud": "sandbox-staffeln",
        "retry_timeout": 20,
        "max_retry_interval": 2,
        "create_settle_time": "5s",
    },
    "conductor": {
        "backup_service_period": 2,
        "backup_min_interval": 3600,
        "task_poll_period": 1,
        "retention_service_period": 2,
        "heartbeat_timeout": "4s",
        # Faults make backups slow here, which must not stop the others.
        "max_running_backups": 0,
        "failure_backoff": "2s",
        "absence_settle_time": "5s",
    },
}


@functools.cache
def place() -> str:
    """The name of this process's sandbox: the first that nobody has.

    It is this process's for as long as that lives.
    """
    for name in PLACES:
        path = pathlib.Path(tempfile.gettempdir())
        taken = (path / f"staffeln-{os.getuid()}-{name}.lock").open("w")
        try:
            fcntl.flock(taken, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            taken.close()
            continue
        atexit.register(taken.close)
        return name
    raise RuntimeError(f"other processes have all of {', '.join(PLACES)}")


@functools.cache
def sandbox() -> Sandbox:
    """The sandbox of this process; it is stopped when the process ends.

    It begins empty: what an earlier run left would slow this one down.
    """
    environment = base.HOST_ENVIRONMENT
    name = place()
    subprocess.run(
        [str(CLOUD), "reset", "--name", name],
        env=environment,
        stdout=subprocess.DEVNULL,
        check=False,
    )
    done = subprocess.run(
        [
            str(CLOUD),
            "up",
            "--name",
            name,
            "--base-port",
            PLACES[name],
            # What its services log is searched for secrets.
            "--debug",
        ],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"no sandbox cloud:\n{done.stdout[-4000:]}")
    atexit.register(
        subprocess.run,
        [str(CLOUD), "down", "--name", name],
        env=environment,
        stdout=subprocess.DEVNULL,
        check=False,
    )
    return Sandbox.named(name, environment)


@functools.cache
def cloud_logs() -> leaks.Growing:
    """What the services of the sandbox cloud log and print."""
    return leaks.Growing(pathlib.Path(sandbox().endpoints["log_dir"]))


class Deployment:
    """One Staffeln database with its configuration and one conductor."""

    def __init__(
        self,
        directory: pathlib.Path,
        clouds_file: pathlib.Path,
        options: Mapping[str, Mapping[str, object]],
        environment: Mapping[str, str] | None = None,
        database: str | None = None,
        host: str | None = None,
    ) -> None:
        """:param database: the URL of one that others use as well.

        :param host: what the processes take for the name of their host.
        """
        self.directory = directory
        self.database = database or f"sqlite:///{directory}/staffeln.sqlite"
        self._host = host
        self.log_file = directory / "conductor.log"
        self.configuration = directory / "staffeln.conf"
        self._clouds_file = clouds_file
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None
        self.configure(options)

    def configure(self, options: Mapping[str, Mapping[str, object]]) -> None:
        """Write the configuration: the tests' defaults with these over."""
        groups = {name: dict(values) for name, values in DEFAULTS.items()}
        groups["DEFAULT"] |= {
            "state_path": self.directory,
            "log_file": self.log_file,
        }
        groups["database"] = {"connection": self.database}
        for name, values in options.items():
            groups.setdefault(name, {}).update(values)
        lines = []
        for name, values in groups.items():
            lines.append(f"[{name}]")
            lines += [f"{key} = {value}" for key, value in values.items()]
        self.configuration.write_text("\n".join(lines) + "\n")

    # -- processes ---------------------------------------------------------

    def run(
        self, module: str, *arguments: str
    ) -> subprocess.CompletedProcess[str]:
        """Run one of the commands to its end, by its module in cmd/."""
        done = subprocess.run(
            self._command(module, *arguments),
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        with (self.directory / "commands.out").open("a") as output:
            output.write(done.stdout + done.stderr)
        return done

    def secrets(self) -> list[str]:
        """The passwords and tokens that its processes are given."""
        return [
            *leaks.of_configuration(self.configuration),
            *leaks.of_clouds(self._clouds_file),
            *leaks.of_environment(self._environment),
        ]

    def leaks(self) -> list[str]:
        """Where anything that ran here told a password or a token."""
        return leaks.found(leaks.texts_below(self.directory), self.secrets())

    def create_schema(self) -> None:
        """Make the database."""
        done = self.run("db_manage", "create_schema")
        if done.returncode:
            raise RuntimeError(done.stderr)

    def restore(self, other: Deployment) -> None:
        """Put a copy of another deployment's SQLite database in place."""
        with (
            contextlib.closing(other.connect()) as theirs,
            contextlib.closing(self.connect()) as ours,
        ):
            theirs.backup(ours)

    def connect(self) -> sqlite3.Connection:
        """A connection to the SQLite database."""
        return sqlite3.connect(self.database.removeprefix("sqlite:///"))

    def come_to_rest(
        self, options: Mapping[str, Mapping[str, object]]
    ) -> None:
        """Go on with options by which nothing is due until no task is left.

        The conductor is stopped then, and its backups are paused.
        """
        self.stop()
        self.configure(options)
        self.start()
        states = ("planned", "claimed", "starting", "running")
        asked = [part for each in states for part in ("--state", each)]
        wait_for(
            "all tasks end", lambda: not self.show("task", "list", *asked)
        )
        self.stop()
        self.show("pause", "backups")

    def start(self) -> None:
        """Start the conductor in a process group of its own."""
        output = (self.directory / "conductor.out").open("ab")
        self._process = subprocess.Popen(
            self._command("conductor"),
            env=self.environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )

    def stop(self) -> int:
        """Ask the conductor to end; its exit code."""
        assert self._process
        self._process.send_signal(signal.SIGTERM)
        return self.wait_for_end(60)

    def wait_for_end(self, limit: float) -> int:
        """Wait until the conductor has ended; its exit code.

        :param limit: seconds; then it is a ``TimeoutExpired``.
        """
        assert self._process
        return self._process.wait(limit)

    @property
    def pid(self) -> int:
        """The number of the conductor's first process."""
        assert self._process
        return self._process.pid

    def kill(self) -> None:
        """Kill the conductor's whole process group."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    @property
    def running(self) -> bool:
        """Whether the conductor's process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """What the conductor's process ended with; None: it runs."""
        assert self._process
        return self._process.poll()

    def signal(self, number: signal.Signals, *, to_all: bool = False) -> None:
        """Send a signal to the conductor's first process, or to all."""
        assert self._process
        if to_all:
            os.killpg(self._process.pid, number)
        else:
            self._process.send_signal(number)

    def pids(self) -> set[int]:
        """The numbers of the conductor's processes."""
        assert self._process
        done = subprocess.run(
            ["pgrep", "--pgroup", str(self._process.pid)],
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        return {int(each) for each in done.stdout.split()}

    @property
    def environment(self) -> dict[str, str]:
        """What the processes get to see."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            "LC_ALL": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "ignore",
            "OS_CLIENT_CONFIG_FILE": str(self._clouds_file),
            "no_proxy": "127.0.0.1",
            **self._environment,
        }

    def _command(self, module: str, *arguments: str) -> list[str]:
        command = [
            sys.executable,
            "-m",
            f"staffeln.cmd.{module}",
            "--config-file",
            str(self.configuration),
            *arguments,
        ]
        if self._host is None:
            return command
        rename = 'hostname "$0" && exec "$@"'
        return ["unshare", "--uts", "sh", "-c", rename, self._host, *command]

    # -- what can be seen --------------------------------------------------

    def log(self) -> str:
        """All that the conductor logged, and printed."""
        return "".join(
            path.read_text()
            for path in (self.log_file, self.directory / "conductor.out")
            if path.exists()
        )

    def show(self, *arguments: str) -> Any:
        """The JSON that a ``staffeln`` command prints."""
        done = self.run("cli", *arguments, "-f", "json")
        if done.returncode:
            raise RuntimeError(done.stderr)
        return json.loads(done.stdout)


class IntegrationTestCase(base.TestCase):
    """A test with the sandbox cloud, and a metadata key of its own."""

    def setUp(self) -> None:
        super().setUp()
        for library in ("keystoneauth", "openstack", "urllib3"):
            logging.getLogger(library).setLevel(logging.WARNING)
        self.sandbox = sandbox()
        self.key = f"backup-{uuid.uuid4().hex[:8]}"
        self.tag = {self.key: "true"}
        self._used: set[str] = set()
        self.addCleanup(self._cloud_tells_no_secret)

    def deployment(
        self,
        environment: Mapping[str, str] | None = None,
        beside: Deployment | None = None,
        host: str | None = None,
        copy_of: Deployment | None = None,
        **groups: Mapping[str, object],
    ) -> Deployment:
        """A new deployment for this test's servers, its database made.

        :param beside: the first conductor of the same deployment: this is
            another one, on its database.
        :param copy_of: begin with a copy of its database, which may be in
            use.
        :param host: the name of its host.
        :param groups: options by group, over those of the tests.
        """
        options = {name: dict(values) for name, values in groups.items()}
        options.setdefault("conductor", {}).setdefault(
            "backup_metadata_key", self.key
        )
        made = Deployment(
            self.make_temp_dir(),
            self.sandbox.clouds_file,
            options,
            environment,
            beside.database if beside else None,
            host,
        )
        if copy_of is not None:
            made.restore(copy_of)
        elif beside is None:
            made.create_schema()
        # Whatever a test is about: nothing that ran in it told a secret.
        self.addCleanup(self._tells_no_secret, made)
        self.addCleanup(made.kill)
        self.show_log_of(made)
        return made

    def _tells_no_secret(self, made: Deployment) -> None:
        self._used |= set(made.secrets())
        self.assertEqual([], made.leaks())

    def _cloud_tells_no_secret(self) -> None:
        """The services log what we send them, and what we send is secret."""
        used = {
            *self._used,
            *self.sandbox.passwords,
            *leaks.of_clouds(self.sandbox.clouds_file),
        }
        self.assertEqual([], leaks.found(cloud_logs().more(), used))

    def show_log_of(self, made: Deployment) -> None:
        """Show the conductor's log with a failed test.

        What it decided, and the last of its calls.
        """

        def show(_: object) -> None:
            log = made.log()
            told = [each for each in log.splitlines() if " DEBUG " not in each]
            self.addDetailUniqueName(
                "conductor",
                content.text_content("\n".join(told)[-30000:]),
            )
            self.addDetailUniqueName(
                "calls", content.text_content(log[-10000:])
            )

        self.addOnException(show)

    def fault(self, *arguments: str) -> None:
        """Harm Cinder's backups by the sandbox's own faults until the end.

        :param arguments: of ``sandbox/cloud fault backup``.
        """
        self.addCleanup(self._cloud, "fault", "clear")
        self._cloud("fault", "backup", *arguments)

    def heal(self) -> None:
        """Take the faults back."""
        self._cloud("fault", "clear")

    def restart_cinder(self) -> None:
        """Stop Cinder and start it again."""
        self._cloud("stop", "cinder")
        self._cloud("start", "cinder")

    def _cloud(self, *arguments: str) -> None:
        subprocess.run(
            [str(CLOUD), *arguments, "--name", place()],
            env=base.HOST_ENVIRONMENT,
            stdout=subprocess.DEVNULL,
            check=True,
        )

    def backups_of(self, volume_id: str) -> list[dict[str, Any]]:
        """A volume's backups in Cinder, oldest first."""
        return self.sandbox.backups(volume_id=volume_id)[::-1]

    def wait_for_backups(
        self, volume_id: str, *modes: str, limit: float = 120
    ) -> list[dict[str, Any]]:
        """Wait until a volume has these available backups, oldest first.

        :param modes: "full" or "incremental" each.
        """

        def look() -> list[dict[str, Any]] | None:
            found = [
                each
                for each in self.backups_of(volume_id)
                if each["status"] == "available"
            ]
            shown = [
                "incremental" if each["is_incremental"] else "full"
                for each in found
            ]
            return found if shown[: len(modes)] == list(modes) else None

        return wait_for(f"backups {modes} of {volume_id}", look, limit)

    def wait_until(
        self, what: str, look: Callable[[], object], limit: float = 120
    ) -> None:
        """Wait until something holds."""
        wait_for(what, look, limit)

    def see_it_hold(
        self, what: str, holds: Callable[[], object], seconds: float
    ) -> None:
        """See something hold whenever it is looked at, for some time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.assertTrue(holds(), what)
            threading.Event().wait(0.5)

    def wait_for_log(
        self, deployment: Deployment, expression: str, times: int = 1
    ) -> None:
        """Wait until so many lines of the log have the expression."""
        wait_for(
            f"{expression!r} in the log",
            lambda: len(re.findall(expression, deployment.log())) >= times,
        )

    def wait_until_gone(self, deployment: Deployment, volume_id: str) -> None:
        """Wait until a volume has no backup in Cinder and no row."""
        wait_for(
            f"no backup of {volume_id} is left",
            lambda: (
                not self.backups_of(volume_id)
                and not deployment.show(
                    "backup", "list", "--volume", volume_id
                )
            ),
            pause=0.5,
        )

    def delete_all_backups(self, volume_id: str) -> None:
        """Delete a volume's backups behind Staffeln's back, newest first."""
        storage = self.sandbox.admin.block_storage

        def statuses() -> dict[str, str]:
            found = self.sandbox.backups(volume_id=volume_id)
            return {each["id"]: each["status"] for each in found}

        self.wait_until("all end", lambda: "creating" not in statuses())
        for backup_id in statuses():
            storage.delete_backup(backup_id)
            self.wait_until(
                f"{backup_id} is gone",
                lambda gone=backup_id: gone not in statuses(),  # type: ignore[misc]
            )

    def wait_for_task(
        self, deployment: Deployment, state: str, volume_id: str
    ) -> dict[str, Any]:
        """Wait until a task of the volume is in this state; the newest."""

        def look() -> dict[str, Any] | None:
            tasks = deployment.show(
                "task", "list", "--volume", volume_id, "--state", state
            )
            return tasks[0] if tasks else None

        return wait_for(f"{state} task of {volume_id}", look, pause=0.5)
