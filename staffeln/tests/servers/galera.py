# SPDX-License-Identifier: Apache-2.0
"""A Galera cluster of three MariaDB servers for tests."""

from __future__ import annotations

import functools
import os
import pathlib
import shutil
import signal
from collections.abc import Sequence

import pymysql

from staffeln.tests.servers import freezable, mariadb, process

PACKAGE = "galera-4"
NODES = 3
_LIBRARY = "libgalera_smm.so"
_FOLDERS = [pathlib.Path("/usr/lib/galera"), pathlib.Path("/usr/lib")]
_SMALL = (
    "--innodb-buffer-pool-size=32M",
    "--innodb-log-file-size=32M",
    "--binlog-format=ROW",
    "--innodb-autoinc-lock-mode=2",
    "--wsrep-on=ON",
    "--wsrep-sst-method=rsync",
    "--wsrep-slave-threads=2",
)
_PROVIDER = (
    "gcache.size=32M",
    "gcache.page_size=32M",
    # Of a node that is gone the others know after two seconds, not five.
    "evs.keepalive_period=PT0.5S",
    "evs.inactive_check_period=PT0.5S",
    "evs.suspect_timeout=PT2S",
    "evs.inactive_timeout=PT4S",
    "evs.install_timeout=PT4S",
    "pc.recovery=no",
)


class Node(mariadb.Databases):
    """One server of the cluster; what it writes is on the others as well."""

    def __init__(
        self,
        folder: pathlib.Path,
        group_port: int,
        group_ports: Sequence[int],
        *,
        first: bool = False,
    ) -> None:
        """:raises ServerError: it cannot be started, in one line."""
        self._folder = folder
        self._group_port = group_port
        self._group_ports = group_ports
        self._state_port = process.free_port()
        self._copy_port = process.free_port()
        self._first = first
        self._process = freezable.Freezable(
            folder, self._command, _takes_writes, signal.SIGTERM
        )
        self._first = False

    @property
    def port(self) -> int:
        return self._process.port

    def _command(self, port: int) -> list[str]:
        members = ",".join(f"127.0.0.1:{each}" for each in self._group_ports)
        options = (
            f"gmcast.listen_addr=tcp://127.0.0.1:{self._group_port}",
            f"ist.recv_addr=tcp://127.0.0.1:{self._state_port}",
            *_PROVIDER,
        )
        return [
            *mariadb.command(self._folder, port, _owner()),
            *_SMALL,
            f"--wsrep-provider={process.find(_LIBRARY, PACKAGE, _FOLDERS)}",
            "--wsrep-cluster-name=staffeln",
            f"--wsrep-cluster-address=gcomm://{members}",
            f"--wsrep-node-address=127.0.0.1:{self._group_port}",
            f"--wsrep-sst-receive-address=127.0.0.1:{self._copy_port}",
            f"--wsrep-provider-options={';'.join(options)}",
            *["--wsrep-new-cluster"] * self._first,
        ]

    def stop(self) -> None:
        """End the server and remove its data."""
        self._process.stop()

    def end(self) -> None:
        """Let it leave the cluster politely; it keeps its data."""
        self._process.end()

    def kill(self) -> None:
        """End it without a word to the others; it keeps its data."""
        self._process.send(signal.SIGKILL)
        self._process.end()

    def start(self, *, first: bool = False) -> None:
        """Let it join again; returns when it has what the others have."""
        self._first = first
        self._process.start()
        self._first = False

    def freeze(self) -> None:
        """Let it stand still; the others go on without it."""
        self._process.freeze()

    def thaw(self) -> None:
        """Let it go on; it joins again by itself."""
        self._process.thaw()

    def refuse(self, *, refuses: bool = True) -> None:
        """Let it answer every statement as one that is not ready does."""
        with mariadb.connect(self.port, None) as connection:
            connection.cursor().execute(
                "SET GLOBAL wsrep_reject_queries = "
                + ("ALL" if refuses else "NONE")
            )


class Galera(mariadb.Databases):
    """The cluster; what is not said of a node is done on the first one."""

    def __init__(self) -> None:
        """:raises ServerError: it cannot be started, in one line."""
        self.nodes: list[Node] = []
        folders = [process.make_folder(_owner()) for _ in range(NODES)]
        ports = [process.free_port() for _ in range(NODES)]
        try:
            mariadb.make_data(folders[0], _owner())
            self._begin(folders, ports)
        except BaseException:
            self.stop()
            for folder in folders:
                shutil.rmtree(folder, ignore_errors=True)
            raise

    def _begin(
        self, folders: Sequence[pathlib.Path], ports: Sequence[int]
    ) -> None:
        """The first node's data is the others': none has to be sent any."""
        first = Node(folders[0], ports[0], ports, first=True)
        self.nodes.append(first)
        self.make_user()
        first.end()
        for folder in folders[1:]:
            process.run_once(
                ["cp", "-a", str(folders[0] / "data"), str(folder)], folder
            )
        first.start(first=True)
        for folder, port in zip(folders[1:], ports[1:], strict=True):
            self.nodes.append(Node(folder, port, ports))

    @property
    def port(self) -> int:
        return self.nodes[0].port

    def url(self, name: str, node: int = 0) -> str:
        """The URL of a database on one of the nodes, with the password."""
        return self.nodes[node].url(name)

    def catch_up(self) -> None:
        """Return when every node has what was committed on any."""
        for node in self.nodes:
            with mariadb.connect(node.port, None) as connection:
                cursor = connection.cursor()
                cursor.execute("SET SESSION wsrep_sync_wait = 1")
                cursor.execute("SELECT 1 FROM mysql.global_priv LIMIT 1")

    def stop(self) -> None:
        """End all nodes and remove their data."""
        for node in reversed(self.nodes):
            node.stop()

    def mend(self) -> None:
        """Let every node run that a test ended or let stand still.

        :raises ServerError: they do not come together again.
        """
        for node in self.nodes:
            node.thaw()
            node.start()
        process.await_true(self._is_whole, "the nodes do not come together")

    def _is_whole(self) -> bool:
        """Whether all are ready; one that was away may not know of it."""
        found = [_status(node.port) for node in self.nodes]
        return all(map(_is_ready, found)) and {
            (each["wsrep_cluster_size"], each["wsrep_cluster_conf_id"])
            for each in found
        } == {(str(NODES), found[0]["wsrep_cluster_conf_id"])}


def _owner() -> str | None:
    """Who the servers run as: what sends their data drops root's rights."""
    return "mysql" if os.getuid() == 0 else None


def _takes_writes(port: int) -> bool:
    return _is_ready(_status(port))


def _is_ready(status: dict[str, str]) -> bool:
    """Whether a node is part of the cluster and has all that it has."""
    return (
        status.get("wsrep_ready") == "ON"
        and status["wsrep_local_state_comment"] == "Synced"
    )


def _status(port: int) -> dict[str, str]:
    """What a node says of itself; nothing where it does not answer."""
    try:
        with mariadb.connect(port, None) as connection:
            cursor = connection.cursor()
            cursor.execute("SHOW STATUS LIKE 'wsrep_%'")
            return dict(cursor.fetchall())
    except pymysql.Error:
        return {}


@functools.cache
def shared() -> Galera:
    """One cluster for all tests of this process; it ends with it."""
    return Galera()
