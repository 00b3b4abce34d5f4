# SPDX-License-Identifier: Apache-2.0
"""Sections that several services' configuration files share."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping

from sandbox_cloud.layout import REGION, Layout, Settings

Section = Mapping[str, object]

# Everything of one family of services runs in one process, so its message
# bus needs no broker.
BUS = "fake:///"
# Seconds that a service may take to end; a sandbox need not be polite.
GRACE = 3


def write_ini(path: pathlib.Path, sections: Mapping[str, Section]) -> None:
    """Write an ini file; the directory is the sandbox's private one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines: list[str] = []
    for name, options in sections.items():
        lines.append(f"[{name}]")
        lines += [f"{option} = {value}" for option, value in options.items()]
        lines.append("")
    path.write_text("\n".join(lines))


def database_url(layout: Layout, name: str) -> str:
    """SQLite with a long patience: one writer at a time, many threads."""
    return f"sqlite:///{layout.database(name)}?timeout=60"


def database(layout: Layout, name: str) -> Section:
    return {"connection": database_url(layout, name)}


def service_login(settings: Settings, user: str) -> Section:
    """How a service logs in to talk to another one."""
    return {
        "auth_type": "password",
        "auth_url": settings.identity_url,
        "username": user,
        "password": settings.password,
        "project_name": "service",
        "user_domain_name": "Default",
        "project_domain_name": "Default",
        "region_name": REGION,
    }


def token_check(settings: Settings, user: str) -> Section:
    """How a service proves the tokens of those who call it."""
    return {
        **service_login(settings, user),
        "www_authenticate_uri": settings.identity_url,
        "service_token_roles": "service",
        "service_token_roles_required": "true",
        "token_cache_time": 60,
    }


def logging(layout: Layout, settings: Settings, service: str) -> Section:
    return {
        "debug": str(settings.debug).lower(),
        "log_dir": layout.log,
        "log_file": f"{service}.log",
        "use_stderr": "false",
    }


def locks(layout: Layout) -> Section:
    return {"lock_path": layout.root / "lock"}


def own_policy(layout: Layout, service: str) -> Section:
    """A policy file of overrides, empty until somebody writes to it."""
    path = layout.etc / f"{service}-policy.yaml"
    if not path.exists():
        path.write_text("{}\n")
    return {"policy_file": path}
