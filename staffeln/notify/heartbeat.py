# SPDX-License-Identifier: Apache-2.0
"""A sign of life for a dead man's switch, after each complete cycle.

Whoever is called misses the call when no conductor leads, when the cloud
cannot be read, or when this host is gone: nothing has to work here for
somebody to hear of it.
"""

from __future__ import annotations

import base64
import http.client
import logging
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable

from staffeln import ports, version
from staffeln.domain import model

LOG = logging.getLogger(__name__)

TIMEOUT = 10.0
"""Seconds that the other side may keep silent."""


class Heartbeat(ports.Bystander):
    """An observer that calls a URL, in a thread of its own.

    A call that is due while another one is under way is not made: one is
    as good as two.
    """

    def __init__(
        self,
        url: str,
        count: Callable[[bool], None] = lambda _: None,
        timeout: float = TIMEOUT,
    ) -> None:
        """:param url: http or https; it may hold a secret.

        :param count: told of each call whether it was accepted.
        :param timeout: seconds.
        """
        self._request, self._origin = _request(url)
        self._count = count
        self._timeout = timeout
        self._due = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(
            target=self._run, name="heartbeat", daemon=True
        )
        self._opener = urllib.request.build_opener(_NoRedirects)

    def start(self) -> None:
        """Begin to wait for cycles."""
        self._thread.start()

    def stop(self) -> None:
        """End; a call under way is left to itself."""
        self._stopped = True
        self._due.set()

    def cycle_ended(self, cycle: model.Cycle) -> None:
        """Call, if the whole cloud was read."""
        if cycle.complete:
            self._due.set()

    def _run(self) -> None:
        while True:
            self._due.wait()
            if self._stopped:
                return
            self._due.clear()
            why_not = self._call()
            if why_not is not None:
                LOG.warning(
                    "[notification] heartbeat_url: the call of %s after a "
                    "complete cycle failed: %s",
                    self._origin,
                    why_not,
                )
            self._count(why_not is None)

    def _call(self) -> str | None:
        """Call once; why it was not accepted, without the URL's secrets."""
        try:
            with self._opener.open(
                self._request, timeout=self._timeout
            ) as answer:
                LOG.debug("Heartbeat: %s: %d", self._origin, answer.status)
            return None
        except urllib.error.HTTPError as error:
            error.close()
            return f"it answered {error.code}"
        except urllib.error.URLError as error:
            if isinstance(error.reason, OSError):
                return error.reason.strerror or str(error.reason)
            return "it cannot be reached"
        except OSError as error:
            return error.strerror or str(error)
        except (http.client.HTTPException, ValueError) as error:
            # Their words may hold the path.
            return type(error).__name__


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """An answer that points elsewhere is no yes."""

    def redirect_request(self, *_: object, **__: object) -> None:
        """Go nowhere."""


def _request(url: str) -> tuple[urllib.request.Request, str]:
    """What is sent, and where to, as it may be shown."""
    parts = urllib.parse.urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    request = urllib.request.Request(
        parts._replace(netloc=host, fragment="").geturl(),
        headers={"User-Agent": f"staffeln/{version.version_string()}"},
    )
    if parts.username is not None:
        pair = f"{parts.username}:{parts.password or ''}"
        words = base64.b64encode(urllib.parse.unquote_to_bytes(pair))
        request.add_header("Authorization", f"Basic {words.decode()}")
    return request, f"{parts.scheme}://{host}"
