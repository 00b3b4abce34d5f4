# SPDX-License-Identifier: Apache-2.0
"""What a configuration keeps secret, to be struck out of texts."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from oslo_config import cfg

from staffeln.domain import errors

if TYPE_CHECKING:
    from staffeln.conf import files

SHORTEST = 4
"""Shorter ones are in every text: nothing would be left of it."""

STRUCK_OUT = "***"

_WORDS = ("password", "secret", "token", "passcode", "pwd")
"""In names of options that belong to libraries."""


def of(conf: cfg.ConfigOpts | None) -> Sequence[str]:
    """Every secret that the files, clouds.yaml or the environment hold.

    The longest come first: one may be part of another.
    """
    if conf is None:
        return ()
    found = {*_of_files(conf), *_of_credentials(conf)}
    found |= {urllib.parse.unquote(each) for each in found}
    return sorted(
        (each for each in found if len(each) >= SHORTEST),
        key=len,
        reverse=True,
    )


def scrubbed(text: str, secrets: Iterable[str]) -> str:
    """The text with all of them struck out."""
    for each in secrets:
        text = text.replace(each, STRUCK_OUT)
    return text


def lines(conf: cfg.ConfigOpts) -> Iterator[tuple[files.Line, str]]:
    """Lines of the files that hold a secret, each with the secret."""
    from staffeln.conf import files

    hidden = _secret_names(conf)
    for line in files.lines(conf):
        named = (line.group, line.name) in hidden
        if not named and not any(word in line.name for word in _WORDS):
            continue
        text = line.text.strip()
        if "://" not in text:
            if text:
                yield line, text
        elif (password := _password(text)) is not None:
            yield line, password
        elif line.name == "heartbeat_url":
            yield line, text


def _secret_names(conf: cfg.ConfigOpts) -> set[tuple[str, str]]:
    from staffeln.conf import opts

    return {
        (str(group) if group else "DEFAULT", name)
        for group, options in opts.list_opts(conf)
        for option in options
        if option.secret
        for name in (
            option.dest,
            *(old.name or option.dest for old in option.deprecated_opts),
        )
    }


def _of_files(conf: cfg.ConfigOpts) -> Iterator[str]:
    for _, secret in lines(conf):
        yield secret


def _of_credentials(conf: cfg.ConfigOpts) -> Iterator[str]:
    from staffeln.cloud import options

    try:
        yield from options.cloud_settings(conf).credentials.secrets
    except (errors.StaffelnError, cfg.Error, RecursionError):
        return  # they are of no use to anybody


def _password(url: str) -> str | None:
    """The password in a URL; None: it has none."""
    try:
        return urllib.parse.urlsplit(url).password
    except ValueError:
        # It cannot be taken apart: all of it may be the password.
        return url.partition("://")[2]
