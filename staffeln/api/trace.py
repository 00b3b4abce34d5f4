# SPDX-License-Identifier: Apache-2.0
"""What goes with a request from its beginning to its line in the log."""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Mapping
from typing import Any

LOG = logging.getLogger(__name__)

HEADER = "X-Openstack-Request-Id"
_ENVIRON = "HTTP_X_OPENSTACK_REQUEST_ID"
_OURS = "staffeln.request_id"
_FORM = re.compile(
    "req-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    re.IGNORECASE,
)
_LONGEST = 200
"""Characters of a path in the log."""


def request_id(environ: dict[str, Any]) -> str:
    """The request's id: the one it came with, or else a new one."""
    if (known := environ.get(_OURS)) is not None:
        return str(known)
    came = environ.get(_ENVIRON, "")
    found = came if _FORM.fullmatch(came) else f"req-{uuid.uuid4()}"
    environ[_OURS] = found
    return str(found)


class Trace:
    """One request, for its answer's header and its line in the log."""

    __slots__ = ("began", "environ", "request_id", "told", "values")

    def __init__(self, environ: dict[str, Any]) -> None:
        self.began = time.perf_counter()
        self.environ = environ
        self.request_id = request_id(environ)
        self.values: Mapping[str, str] = {}
        """Its parameters in canonical form, once they are read."""
        self.told = ""
        """The answer in a word, where it has one."""

    def seconds(self) -> float:
        """Since it began."""
        return time.perf_counter() - self.began

    def log(self, status: int, seconds: float) -> None:
        """One line: who asked what, and how it went."""
        if not LOG.isEnabledFor(logging.INFO):
            return
        backup_id = self.values.get("backup_id")
        LOG.info(
            "%s %s %s%s %d%s %.1f ms [%s]",
            shown(self.environ.get("REMOTE_ADDR") or "-"),
            shown(self.environ.get("REQUEST_METHOD", "-")),
            shown(self.environ.get("PATH_INFO", "")),
            f" backup_id={backup_id}" if backup_id else "",
            status,
            f" {self.told}" if self.told else "",
            seconds * 1000,
            self.request_id,
        )


def shown(text: str) -> str:
    """A text of somebody else's as one word of a line of the log."""
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}..."
    if text.isascii() and text.isprintable() and " " not in text:
        return text
    escaped = text.encode("unicode_escape").decode("ascii")
    return escaped.replace(" ", "\\x20")
