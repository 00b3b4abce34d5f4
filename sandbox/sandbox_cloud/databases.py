# SPDX-License-Identifier: Apache-2.0
"""Fills the databases of a first start, each service once.

A service whose filling was cut short begins again from nothing: its mark is
written last, and nobody can have used a database without mark.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import pathlib
import shutil
import sqlite3
import subprocess
from collections.abc import Callable

from sandbox_cloud import processes
from sandbox_cloud.configuration import ini, object_store
from sandbox_cloud.errors import SandboxError
from sandbox_cloud.install import TIED
from sandbox_cloud.layout import HOST, REGION, Layout, Settings
from sandbox_cloud.progress import Progress

DATABASES = {
    "keystone": ("keystone",),
    "placement": ("placement",),
    "nova": ("nova_api", "nova_cell0", "nova"),
    "cinder": ("cinder",),
    "glance": ("glance",),
    "neutron": ("neutron",),
    "barbican": ("barbican",),
    "swift": (),
}
# What else a half-filled service may have left in the etc directory.
LEFTOVERS = {
    "keystone": ("fernet-keys", "credential-keys"),
    "swift": tuple(f"swift/{kind}.builder" for kind in object_store.KINDS),
}
CELL_EXISTS = 2  # exit code of nova-manage


class Filler:
    """Runs the management commands of the services."""

    def __init__(
        self,
        layout: Layout,
        settings: Settings,
        venv: pathlib.Path,
        progress: Progress,
    ) -> None:
        self._layout = layout
        self._settings = settings
        self._bin = venv / "bin"
        self._progress = progress

    def fill(self) -> None:
        """Fill whatever is not filled yet, a few services at a time."""
        work: dict[str, Callable[[], None]] = {
            "keystone": self._keystone,
            "nova": self._nova,
            "cinder": self._cinder,
            "placement": self._placement,
        }
        extra: dict[str, Callable[[], None]] = {
            "neutron": self._neutron,
            "glance": self._glance,
            "barbican": self._barbican,
            "swift": self._swift,
        }
        work.update({name: extra[name] for name in self._settings.optional})
        todo = [name for name in work if not self._mark(name).exists()]
        if not todo:
            return
        with self._progress.step("databases: " + ", ".join(todo)):
            pool = concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2)
            with pool:
                waiting = [
                    pool.submit(self._fill_one, name, work[name])
                    for name in todo
                ]
                try:
                    for each in waiting:
                        each.result()
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    processes.stop_strays(self._layout)
                    raise

    def _mark(self, name: str) -> pathlib.Path:
        return self._layout.prepared / name

    def _fill_one(self, name: str, work: Callable[[], None]) -> None:
        for leftover in LEFTOVERS.get(name, ()):
            path = self._layout.etc / leftover
            if path.is_dir():
                shutil.rmtree(path)
            path.unlink(missing_ok=True)
        for database in DATABASES[name]:
            path = self._layout.database(database)
            for suffix in ("", "-wal", "-shm", "-journal"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            with contextlib.closing(sqlite3.connect(path)) as connection:
                # Readers and the one writer do not wait for each other.
                connection.execute("PRAGMA journal_mode=WAL")
        work()
        self._mark(name).write_text("")

    def _run(
        self, program: str, *arguments: object, fine: tuple[int, ...] = (0,)
    ) -> None:
        """Run a management command; what it prints goes to ``fill.log``."""
        command = [str(self._bin / program), *map(str, arguments)]
        done = subprocess.run(
            [*TIED, *command],
            env=processes.environment(self._layout),
            cwd=self._layout.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        log = self._layout.log / "fill.log"
        with log.open("a") as out:
            out.write(f"$ {program} {arguments[0]}\n{done.stdout}")
        if done.returncode not in fine:
            last = (done.stdout.strip().splitlines() or ["no output"])[-1]
            raise SandboxError(
                f"{program} failed with {done.returncode}: {last} (see {log})"
            )

    def _conf(self, name: str) -> tuple[str, pathlib.Path]:
        return "--config-file", self._layout.etc / name

    def _keystone(self) -> None:
        conf = self._conf("keystone.conf")
        owner: tuple[str, ...] = ()
        if os.getuid() == 0:
            # Root has to say whose the keys shall be.
            owner = ("--keystone-user", "0", "--keystone-group", "0")
        self._run("keystone-manage", *conf, "db_sync")
        self._run("keystone-manage", *conf, "fernet_setup", *owner)
        self._run("keystone-manage", *conf, "credential_setup", *owner)
        urls = []
        for interface in ("admin", "internal", "public"):
            urls += [
                f"--bootstrap-{interface}-url",
                self._settings.identity_url,
            ]
        self._run(
            "keystone-manage",
            *conf,
            "bootstrap",
            "--bootstrap-password",
            self._settings.password,
            "--bootstrap-region-id",
            REGION,
            *urls,
        )

    def _nova(self) -> None:
        conf = self._conf("nova.conf")
        where = "--database_connection"
        self._run("nova-manage", *conf, "api_db", "sync")
        self._run(
            "nova-manage",
            *conf,
            "cell_v2",
            "map_cell0",
            where,
            ini.database_url(self._layout, "nova_cell0"),
        )
        self._run(
            "nova-manage",
            *conf,
            "cell_v2",
            "create_cell",
            "--name",
            "cell1",
            where,
            ini.database_url(self._layout, "nova"),
            "--transport-url",
            ini.BUS,
            fine=(0, CELL_EXISTS),
        )
        self._run("nova-manage", *conf, "db", "sync")

    def _cinder(self) -> None:
        self._run("cinder-manage", *self._conf("cinder.conf"), "db", "sync")

    def _placement(self) -> None:
        conf = self._conf("placement.conf")
        self._run("placement-manage", *conf, "db", "sync")

    def _glance(self) -> None:
        self._run("glance-manage", *self._conf("glance-api.conf"), "db_sync")

    def _neutron(self) -> None:
        url = ini.database_url(self._layout, "neutron")
        self._run("python", "-m", "cloud_services.neutron_tables", url)

    def _barbican(self) -> None:
        url = ini.database_url(self._layout, "barbican")
        self._run("barbican-manage", "db", "upgrade", "--db-url", url)

    def _swift(self) -> None:
        """The rings: one device for each kind of server."""
        for kind in object_store.KINDS:
            builder = self._layout.etc / "swift" / f"{kind}.builder"
            port = self._settings.port(f"swift-{kind}")
            device = f"r1z1-{HOST}:{port}/d1"
            for step in (
                ("create", "4", "1", "1"),
                ("add", device, "1"),
                ("rebalance",),
            ):
                self._run("swift-ring-builder", builder, *step)
