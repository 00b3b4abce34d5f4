# SPDX-License-Identifier: Apache-2.0
"""A ZooKeeper server for tests, with a tick of half a second."""

from __future__ import annotations

import contextlib
import functools
import pathlib
import signal
import socket
from collections.abc import Iterator

from kazoo import client

from staffeln.tests.servers import freezable, process

PACKAGE = "zookeeper"
JAVA_PACKAGE = "default-jre-headless"
LONGEST_SESSION = 60
"""Seconds; the server grants no more, unless it is told otherwise."""
_FOLDERS = [pathlib.Path(each) for each in ("/usr/bin", "/usr/local/bin")]
_JARS = [pathlib.Path("/usr/share/java")]
# A small heap and no optimising compiler: it starts in half the time.
_LIGHT = (
    "-Xms16m",
    "-Xmx64m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-Xshare:auto",
    "-Dzookeeper.admin.enableServer=false",
    "-Dzookeeper.jmx.log4j.disable=true",
    "-Dzookeeper.forceSync=no",
    "-Dzookeeper.4lw.commands.whitelist=ruok,cons",
)


class ZooKeeper(freezable.Freezable):
    """A server that stands alone."""

    def __init__(self, longest_session: int = LONGEST_SESSION) -> None:
        """:param longest_session: seconds that it grants at most.

        :raises ServerError: it cannot be started, in one line.
        """
        java = process.find("java", JAVA_PACKAGE, _FOLDERS)
        jar = process.find("zookeeper.jar", PACKAGE, _JARS)
        folder = process.make_folder(None)
        (folder / "data").mkdir()

        def command(port: int) -> list[str]:
            (folder / "zoo.cfg").write_text(
                "tickTime=500\n"
                f"maxSessionTimeout={longest_session * 1000}\n"
                f"dataDir={folder / 'data'}\n"
                f"clientPort={port}\n"
                "clientPortAddress=127.0.0.1\n"
            )
            return [
                *process.as_user(None),
                java,
                *_LIGHT,
                "-cp",
                jar,
                "org.apache.zookeeper.server.ZooKeeperServerMain",
                str(folder / "zoo.cfg"),
            ]

        super().__init__(folder, command, _answers, signal.SIGTERM)

    @property
    def url(self) -> str:
        """The URL for ``[coordination] backend_url``."""
        return f"zookeeper://127.0.0.1:{self.port}"

    @contextlib.contextmanager
    def client(self) -> Iterator[client.KazooClient]:
        """A client, connected."""
        made = client.KazooClient(hosts=f"127.0.0.1:{self.port}")
        made.start()
        try:
            yield made
        finally:
            made.stop()
            made.close()

    def clear(self) -> None:
        """Remove all nodes that tooz made."""
        with self.client() as made:
            made.delete("/tooz", recursive=True)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as link:
            link.sendall(b"ruok")
            return link.recv(4) == b"imok"
    except OSError:
        return False


@functools.cache
def shared() -> ZooKeeper:
    """One server for all tests of this process; it ends with it."""
    return ZooKeeper()
