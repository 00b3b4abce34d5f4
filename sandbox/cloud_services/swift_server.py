# SPDX-License-Identifier: Apache-2.0
"""Runs one Swift server: ``swift_server ETC proxy|account|container|object``.

Swift reads ``/etc/swift/swift.conf`` whatever its other settings say, so the
path is replaced in every module that holds a copy of it.
"""

import sys

import eventlet

eventlet.monkey_patch()

from swift.common import utils, wsgi  # noqa: E402


def main() -> None:
    """Serve until killed."""
    etc, kind = sys.argv[1:]
    for name, module in list(sys.modules.items()):
        if name.startswith("swift.") and hasattr(module, "SWIFT_CONF_FILE"):
            module.SWIFT_CONF_FILE = f"{etc}/swift.conf"
    utils.SWIFT_CONF_FILE = f"{etc}/swift.conf"
    # It runs as whoever started it; Swift would look for a user "swift".
    wsgi.drop_privileges = lambda _user: None
    sys.exit(wsgi.run_wsgi(f"{etc}/{kind}-server.conf", f"{kind}-server"))


if __name__ == "__main__":
    main()
