# SPDX-License-Identifier: Apache-2.0
"""``staffeln.wsgi.api:application``, for uWSGI, mod_wsgi and their like.

``OS_STAFFELN_CONFIG_FILES`` names the configuration files, separated by
``;``; unset it is the default file. They are read when this is imported;
what is wrong then is one line. The application itself is made for the first
request, in the process that answers it: these servers fork after the
import, and connections to a database must not be shared.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

from oslo_config import cfg

from staffeln import conf
from staffeln.conf import logs
from staffeln.domain import errors
from staffeln.wiring import api

FILES = "OS_STAFFELN_CONFIG_FILES"


class Application:
    """A WSGI application that is made when it is first asked."""

    def __init__(self) -> None:
        """:raises SystemExit: with one line; the configuration is wrong."""
        self._conf = _read()
        self._made: Callable[..., Iterable[bytes]] | None = None
        self._lock = threading.Lock()

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer one request."""
        with self._lock:
            if self._made is None:
                self._made = api.application(self._conf)
        return self._made(environ, start_response)


def _read() -> cfg.ConfigOpts:
    named = os.environ.get(FILES, "")
    files = [each.strip() for each in named.split(";") if each.strip()]
    try:
        read = conf.load(
            [word for path in files for word in ("--config-file", path)],
            prog="staffeln-api",
            reader=conf.Reader.API,
        )
        logs.begin(read)
        api.check(read)
    except errors.StaffelnError as error:
        # A server would print a traceback of anything else.
        print(f"staffeln-api: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(1)
    return read


application = Application()
