# SPDX-License-Identifier: Apache-2.0
"""A RabbitMQ server for tests, with a password and a daemon of its own.

Erlang's nodes find each other by a daemon (epmd), which the first of them
starts and nobody ends: here it has a port of its own and ends with the
server.
"""

from __future__ import annotations

import functools
import pathlib
import signal
import socket
import subprocess

from staffeln.tests.servers import process

PACKAGE = "rabbitmq-server"
USER = "staffeln"
PASSWORD = "kaninchen-geheim"
_FOLDERS = [
    pathlib.Path(each)
    for each in ("/usr/lib/rabbitmq/bin", "/usr/local/sbin", "/usr/bin")
]
_CONFIGURATION = """\
listeners.tcp.default = 127.0.0.1:{port}
default_user = {user}
default_pass = {password}
loopback_users = none
log.console = true
log.console.level = error
log.file = false
vm_memory_high_watermark.absolute = 1GB
disk_free_limit.absolute = 1MB
"""


class RabbitMq(process.Process):
    """A broker that keeps durable queues through a restart."""

    def __init__(self) -> None:
        """:raises ServerError: it cannot be started, in one line."""
        server = process.find("rabbitmq-server", PACKAGE, _FOLDERS)
        epmd = process.find("epmd", "erlang-base", [pathlib.Path("/usr/bin")])
        folder = process.make_folder(None)
        self._epmd_port = process.free_port()
        self._epmd = subprocess.Popen(
            [
                *process.as_user(None),
                epmd,
                "-port",
                str(self._epmd_port),
                "-address",
                "127.0.0.1",
            ],
            env=process.environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        super().__init__(
            folder,
            lambda port: [
                "env",
                *self._variables(folder, port),
                *process.as_user(None),
                server,
            ],
            _answers,
            signal.SIGTERM,
        )

    def _variables(self, folder: pathlib.Path, port: int) -> list[str]:
        path = folder / "rabbitmq.conf"
        path.write_text(
            _CONFIGURATION.format(port=port, user=USER, password=PASSWORD)
        )
        plugins = folder / "enabled_plugins"
        plugins.write_text("[].\n")
        values = {
            "NODENAME": f"staffeln{self._epmd_port}@localhost",
            "NODE_IP_ADDRESS": "127.0.0.1",
            "NODE_PORT": port,
            "DIST_PORT": process.free_port(),
            "CONFIG_FILE": path,
            "ENABLED_PLUGINS_FILE": plugins,
            "MNESIA_BASE": folder / "data",
            "LOG_BASE": folder / "logs",
            "SERVER_ADDITIONAL_ERL_ARGS": (
                "+S 1:1 +sbwt none -kernel inet_dist_use_interface {127,0,0,1}"
            ),
        }
        return [
            f"ERL_EPMD_PORT={self._epmd_port}",
            "ERL_EPMD_ADDRESS=127.0.0.1",
            "RABBITMQ_CONF_ENV_FILE=/dev/null",
            # The server takes the place of the script that starts it.
            "RUNNING_UNDER_SYSTEMD=yes",
            *(f"RABBITMQ_{name}={value}" for name, value in values.items()),
        ]

    @property
    def url(self) -> str:
        """The URL for ``transport_url``."""
        return self.url_with(PASSWORD)

    def url_with(self, password: str) -> str:
        """The same, logging in with another password."""
        return f"rabbit://{USER}:{password}@127.0.0.1:{self.port}/"

    def stop(self) -> None:
        """End it with its daemon and remove its data."""
        super().stop()
        self._epmd.kill()
        self._epmd.wait()


def _answers(port: int) -> bool:
    """Whether it speaks AMQP: it answers wrong words with its version."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as link:
            link.sendall(b"AMQP\0\0\0\0")
            return link.recv(4) == b"AMQP"
    except OSError:
        return False


@functools.cache
def shared() -> RabbitMq:
    """One server for all tests of this process; it ends with it."""
    return RabbitMq()
