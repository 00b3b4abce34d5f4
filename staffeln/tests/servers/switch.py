# SPDX-License-Identifier: Apache-2.0
"""A dead man's switch: it hears of calls."""

from __future__ import annotations

import http.server
import queue
import threading

import fixtures


class Switch(fixtures.Fixture):
    """Somebody who is called, and notes it.

    :ivar calls: path and Authorization of each.
    :ivar status: what it answers with.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: queue.Queue[tuple[str, str | None]] = queue.Queue()
        self.status = 200

    def _setUp(self) -> None:
        handler = type("Handler", (_Handler,), {"owner": self})
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.01}
        )
        thread.start()
        self.addCleanup(server.server_close)
        self.addCleanup(thread.join)
        self.addCleanup(server.shutdown)
        self.url = f"http://127.0.0.1:{server.server_address[1]}/geheim"


class _Handler(http.server.BaseHTTPRequestHandler):
    owner: Switch

    def do_GET(self) -> None:
        self.owner.calls.put((self.path, self.headers.get("Authorization")))
        self.send_response(self.owner.status)
        if self.owner.status == 302:
            self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""
