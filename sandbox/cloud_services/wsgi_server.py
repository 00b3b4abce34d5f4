# SPDX-License-Identifier: Apache-2.0
"""Serves one WSGI application: ``wsgi_server MODULE PORT threads|green``.

``threads`` for plain applications, ``green`` for one that expects eventlet.
"""

import importlib
import sys


def main() -> None:
    """Serve ``application`` of the module until killed."""
    module, port, how = sys.argv[1:]
    # Some applications parse the command line, which is not theirs.
    del sys.argv[1:]
    if how == "green":
        import eventlet

        eventlet.monkey_patch()
        import eventlet.wsgi

        application = importlib.import_module(module).application
        eventlet.wsgi.server(
            eventlet.listen(("127.0.0.1", int(port))),
            application,
            log_output=False,
        )
    else:
        import waitress

        application = importlib.import_module(module).application
        waitress.serve(
            application,
            host="127.0.0.1",
            port=int(port),
            threads=8,
            channel_timeout=600,
        )


if __name__ == "__main__":
    main()
