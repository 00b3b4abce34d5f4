# SPDX-License-Identifier: Apache-2.0
"""Who else on this host can read our secrets, or change what we rely on."""

from __future__ import annotations

import os
import pathlib
import re
import stat
from collections.abc import Iterator

from oslo_config import cfg

from staffeln.conf import files

_SECRET_NAME = re.compile("passw|pwd|secret|token", re.IGNORECASE)
_SECRET_IN_URL = re.compile(r"://[^/?#\s]*:[^@/?#\s]+@")

_CLOUDS = ("clouds.yaml", "clouds.yml", "secure.yaml", "secure.yml")
_FOLDERS_OF_CLOUDS = (".", "~/.config/openstack", "/etc/openstack")
"""Where clients of OpenStack look for credentials."""


def warnings(conf: cfg.ConfigOpts) -> list[str]:
    """A sentence for each file or folder that others can do too much with.

    What a folder above keeps from others is theirs in no case.
    """
    return [
        *(text for path in _with_secrets(conf) if (text := _of_file(path))),
        *(text for each in _folders(conf) if (text := _of_folder(*each))),
    ]


def _of_file(path: pathlib.Path) -> str:
    found = _of_others(path)
    what = "changed" if found & stat.S_IWOTH else "read"
    if not found & (stat.S_IROTH | stat.S_IWOTH):
        return ""
    return (
        f"{path} holds secrets and can be {what} by every user of this host "
        f"(mode {_mode(path):04o}): make it root's and the service's group's, "
        "and chmod 0640"
    )


def _of_folder(what: str, path: pathlib.Path) -> str:
    found = _of_others(path)
    if not found & stat.S_IWOTH or found & stat.S_ISVTX:
        return ""
    return (
        f"{path} ({what}) can be written by every user of this host (mode "
        f"{_mode(path):04o}): make it the service's user's, and chmod 0750"
    )


def _of_others(path: pathlib.Path) -> int:
    """The mode of a path, as far as others get there at all."""
    try:
        real = path.resolve(strict=True)
        reached = all(
            each.stat().st_mode & stat.S_IXOTH for each in real.parents
        )
    except OSError:
        return 0  # whoever needs it tells of it
    return _mode(real) if reached else 0


def _mode(path: pathlib.Path) -> int:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return 0


def _with_secrets(conf: cfg.ConfigOpts) -> Iterator[pathlib.Path]:
    """Files that hold secrets, each once."""
    found = [
        line.path
        for line in files.lines(conf)
        if _SECRET_NAME.search(line.name) or _SECRET_IN_URL.search(line.text)
    ]
    for group, name in (
        ("api", "ssl_key_file"),
        ("coordination", "kubeconfig"),
        ("openstack", "keyfile"),
    ):
        if path := _value(conf, group, name):
            found.append(path)
    if _value(conf, "openstack", "cloud"):
        found += _clouds()
    yield from map(pathlib.Path, dict.fromkeys(found))


def _clouds() -> Iterator[str]:
    named = os.environ.get("OS_CLIENT_CONFIG_FILE")
    if named:
        yield named
        return
    for folder in _FOLDERS_OF_CLOUDS:
        for name in _CLOUDS:
            path = pathlib.Path(folder).expanduser() / name
            if path.exists():
                yield str(path)


def _folders(conf: cfg.ConfigOpts) -> Iterator[tuple[str, pathlib.Path]]:
    """Folders that only the services may write in, with what they are."""
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        return  # a pod's own folders are everybody's, who is nobody else
    if path := _value(conf, "DEFAULT", "state_path"):
        yield "state_path", pathlib.Path(path)
    if path := _value(conf, "DEFAULT", "log_dir"):
        yield "log_dir", pathlib.Path(path)
    elif path := _value(conf, "DEFAULT", "log_file"):
        yield "the folder of log_file", pathlib.Path(path).parent


def _value(conf: cfg.ConfigOpts, group: str, name: str) -> str:
    """An option's text; empty where it is not set, or not known here."""
    try:
        found = conf[name] if group == "DEFAULT" else conf[group][name]
    except (cfg.Error, ValueError):
        return ""
    return str(found or "")
