# SPDX-License-Identifier: Apache-2.0
"""An etcd server for tests."""

from __future__ import annotations

import base64
import functools
import pathlib
import signal
from typing import Any

import requests

from staffeln.tests.servers import freezable, process

PACKAGE = "etcd-server"
_FOLDERS = [pathlib.Path(each) for each in ("/usr/bin", "/usr/local/bin")]


class Etcd(freezable.Freezable):
    """One member of its own."""

    def __init__(self) -> None:
        """:raises ServerError: it cannot be started, in one line."""
        server = process.find("etcd", PACKAGE, _FOLDERS)
        folder = process.make_folder(None)
        # Nobody else speaks to this one: it takes any free port.
        peers = f"http://127.0.0.1:{process.free_port()}"
        super().__init__(
            folder,
            lambda port: [
                *process.as_user(None),
                server,
                "--name=one",
                f"--data-dir={folder / 'data'}",
                f"--listen-client-urls=http://127.0.0.1:{port}",
                f"--advertise-client-urls=http://127.0.0.1:{port}",
                f"--listen-peer-urls={peers}",
                f"--initial-advertise-peer-urls={peers}",
                f"--initial-cluster=one={peers}",
                # It stands alone, so that it need not wait for others.
                "--heartbeat-interval=50",
                "--election-timeout=500",
                "--unsafe-no-fsync=true",
            ],
            _answers,
            signal.SIGTERM,
        )

    @property
    def url(self) -> str:
        """The URL for ``[coordination] backend_url``."""
        return f"etcd3+http://127.0.0.1:{self.port}"

    def leases(self) -> set[str]:
        """The ids of all leases that live."""
        found = self._post("lease/leases", {}).get("leases", ())
        return {each["ID"] for each in found}

    def clear(self) -> None:
        """Remove all keys."""
        everything = base64.b64encode(b"\0").decode()
        self._post(
            "kv/deleterange", {"key": everything, "range_end": everything}
        )

    def _post(self, path: str, question: dict[str, Any]) -> dict[str, Any]:
        answer = requests.post(
            f"http://127.0.0.1:{self.port}/v3/{path}", json=question, timeout=9
        )
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found


def _answers(port: int) -> bool:
    try:
        answer = requests.get(f"http://127.0.0.1:{port}/health", timeout=5)
    except requests.RequestException:
        return False
    return answer.ok and answer.json().get("health") == "true"


@functools.cache
def shared() -> Etcd:
    """One server for all tests of this process; it ends with it."""
    return Etcd()
