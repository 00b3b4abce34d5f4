# SPDX-License-Identifier: Apache-2.0
"""Calls to the sandbox's own REST APIs, never through a proxy."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from sandbox_cloud.layout import Settings

TIMEOUT = 60  # seconds
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def call(
    method: str,
    url: str,
    body: Any = None,
    token: str | None = None,
    timeout: float = TIMEOUT,
) -> tuple[Any, dict[str, str]]:
    """The answer's JSON (None when empty) and its headers.

    Raises urllib.error.HTTPError for a refusal, OSError without an answer.
    """
    headers = {"Content-Type": "application/json", "Accept": "*/*"}
    if token:
        headers["X-Auth-Token"] = token
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)
    with _OPENER.open(request, timeout=timeout) as answer:
        content = answer.read()
        return json.loads(content) if content else None, dict(answer.headers)


def project_token(
    settings: Settings, user: str, project: str
) -> tuple[str, str]:
    """A token of ``user`` in ``project`` of domain Default; project's id."""
    domain = {"id": "default"}
    identity = {
        "methods": ["password"],
        "password": {
            "user": {
                "name": user,
                "password": settings.password,
                "domain": domain,
            }
        },
    }
    scope = {"project": {"name": project, "domain": domain}}
    body = {"auth": {"identity": identity, "scope": scope}}
    answer, headers = call(
        "POST", settings.identity_url + "/auth/tokens", body
    )
    return headers["X-Subject-Token"], answer["token"]["project"]["id"]
