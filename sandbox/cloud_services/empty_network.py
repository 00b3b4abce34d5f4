# SPDX-License-Identifier: Apache-2.0
"""A network API in which every collection is empty.

Nova asks a network service for the ports and security groups of each
server, also of those booted without networks; this lets the sandbox do
without Neutron.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any


def application(
    environ: dict[str, Any], start_response: Callable[..., Any]
) -> Iterable[bytes]:
    """Answer lists with nothing and everything else with 404."""
    parts = environ["PATH_INFO"].strip("/").split("/")
    readable = environ["REQUEST_METHOD"] == "GET"
    status, body = "200 OK", {}
    if readable and len(parts) == 1:
        link = {"rel": "self", "href": f"http://{environ['HTTP_HOST']}/v2.0/"}
        body = {
            "versions": [{"id": "v2.0", "status": "CURRENT", "links": [link]}]
        }
    elif readable and len(parts) == 2:
        body = {parts[1].removesuffix(".json").replace("-", "_"): []}
    else:
        status = "404 Not Found"
        body = {
            "NeutronError": {
                "type": "NotFound",
                "message": "the sandbox has no network",
                "detail": "",
            }
        }
    data = json.dumps(body).encode()
    start_response(
        status,
        [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(data))),
        ],
    )
    return [data]
