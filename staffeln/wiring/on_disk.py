# SPDX-License-Identifier: Apache-2.0
"""Files of this host that a deployment needs, and who may touch them."""

from __future__ import annotations

import os
import pathlib
import stat
from collections.abc import Iterator, Sequence

from oslo_config import cfg

from staffeln import conf as configuration
from staffeln.conf import files
from staffeln.db import urls
from staffeln.domain import errors
from staffeln.status.patient import File
from staffeln.wiring import secret_texts

_CLOUDS = ("clouds.yaml", "clouds.yml", "secure.yaml", "secure.yml")


def found_on_disk(
    config_files: Sequence[str], conf: cfg.ConfigOpts | None
) -> list[File]:
    """Those that are named, and those that are there without a name.

    :param config_files: named on the command line.
    :param conf: None: they cannot be read, and name nothing.
    """
    if conf is None:
        named = config_files or [configuration.DEFAULT_FILE]
        return [_file(each, "configuration", secret=True) for each in named]
    with_secrets = {line.path for line, _ in secret_texts.lines(conf)}
    found = [
        _file(path, "configuration", secret=path in with_secrets)
        for path in files.paths(conf)
    ]
    found += [
        _file(str(path), "credentials", secret=True) for path in _clouds()
    ]
    for path, what, secret in _named(conf):
        found.append(_file(path, what, secret=secret))
    return found


def _named(conf: cfg.ConfigOpts) -> Iterator[tuple[str, str, bool]]:
    """Path, what it is, and whether nobody else may read it."""
    options = (
        ("coordination", "kubeconfig", "kubeconfig", True),
        ("api", "ssl_key_file", "key of staffeln-api", True),
        ("openstack", "keyfile", "key of the client certificate", True),
    )
    for group, name, what, secret in options:
        if path := _value(conf, group, name):
            yield path, what, secret
    if (path := _value(conf, None, "state_path")) and os.path.exists(path):
        yield path, "state_path", False
    try:
        url = urls.normalised(_value(conf, "database", "connection"))
    except errors.ConfigurationError:
        return  # the check of the database tells of it
    file = url.database if url.get_backend_name() == "sqlite" else None
    if file and os.path.exists(file):
        yield file, "database", False


def _value(conf: cfg.ConfigOpts, group: str | None, name: str) -> str:
    try:
        found = conf[group][name] if group else conf[name]
    except (cfg.Error, RecursionError, ValueError):
        return ""
    return str(found or "")


def _clouds() -> Iterator[pathlib.Path]:
    """Where OpenStack's clients look for credentials."""
    named = os.environ.get("OS_CLIENT_CONFIG_FILE")
    if named:
        yield pathlib.Path(named)
        return
    for folder in (
        pathlib.Path(),
        pathlib.Path.home() / ".config/openstack",
        pathlib.Path("/etc/openstack"),
    ):
        for name in _CLOUDS:
            if (folder / name).exists():
                yield (folder / name).absolute()


def _file(path: str, what: str, *, secret: bool) -> File:
    try:
        mode = stat.S_IMODE(os.stat(path).st_mode)
    except OSError as error:
        return File(
            path=path,
            what=what,
            mode=None,
            secret=secret,
            problem=error.strerror or type(error).__name__,
        )
    return File(path=path, what=what, mode=mode, secret=secret)
