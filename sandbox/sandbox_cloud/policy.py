# SPDX-License-Identifier: Apache-2.0
"""Whom Cinder asks before a member's delete of a backup.

The rule is in the policy file, which Cinder reads again by itself. How it
talks to a server by TLS is configuration: that needs another start.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
from typing import Any

from sandbox_cloud.configuration import ini
from sandbox_cloud.layout import Layout, write_private

NOBODY = "{}\n"


@dataclasses.dataclass(frozen=True)
class Trust:
    """The files by which Cinder and the server know each other."""

    ca_file: pathlib.Path
    cert_file: pathlib.Path | None
    key_file: pathlib.Path | None


def _rules(layout: Layout) -> pathlib.Path:
    return layout.etc / "cinder-policy.yaml"


def _options(layout: Layout) -> pathlib.Path:
    return layout.cinder_more / "policy.conf"


def ask(layout: Layout, url: str, trust: Trust | None) -> bool:
    """Have Cinder ask a server; whether Cinder has to be started anew.

    :param url: where ``/v1/backup`` is, without it.
    """
    rule = (
        "rule:admin_api or (role:member and project_id:%(project_id)s and "
        f"{url}/v1/backup?backup_id=%(id)s)"
    )
    write_private(_rules(layout), f'"backup:delete": {json.dumps(rule)}\n')
    return _configure(layout, trust)


def ask_nobody(layout: Layout) -> bool:
    """Give Cinder its own rule back; whether it has to be started anew."""
    write_private(_rules(layout), NOBODY)
    return _configure(layout, None)


def current(layout: Layout) -> dict[str, Any]:
    """The rules that are in place of Cinder's own."""
    path = _rules(layout)
    text = path.read_text() if path.exists() else NOBODY
    rules = "" if text == NOBODY else text
    found: dict[str, Any] = json.loads("{" + rules + "}")
    return found


def _configure(layout: Layout, trust: Trust | None) -> bool:
    path = _options(layout)
    before = path.read_text() if path.exists() else None
    if trust is None:
        path.unlink(missing_ok=True)
        return before is not None
    section: dict[str, object] = {
        "remote_ssl_verify_server_crt": "true",
        "remote_ssl_ca_crt_file": trust.ca_file,
    }
    if trust.cert_file is not None:
        section["remote_ssl_client_crt_file"] = trust.cert_file
    if trust.key_file is not None:
        section["remote_ssl_client_key_file"] = trust.key_file
    ini.write_ini(path, {"oslo_policy": section})
    return path.read_text() != before
