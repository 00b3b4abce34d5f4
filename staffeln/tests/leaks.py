# SPDX-License-Identifier: Apache-2.0
"""Passwords and tokens in what services logged and printed."""

from __future__ import annotations

import base64
import configparser
import pathlib
import re
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

TOKENS = {
    "a token of Keystone": re.compile(r"gAAAAA[\w=-]{40,}"),
    "a token of Kubernetes": re.compile(
        r"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"
    ),
    "a private key": re.compile("-----BEGIN [A-Z ]*PRIVATE KEY-----"),
}
"""What tells itself by its form, whoever issued it."""

_SECRET = re.compile("passw|secret|token|_pwd|key-data", re.IGNORECASE)
"""Names of values that nobody is to see."""

_URL = re.compile(r"\w+(?:\+\w+)?://[^:/?#\s]*:([^@/?#\s]+)@")

_SHORTEST = 6
"""Characters of a secret that is looked for: shorter ones are words."""


def of_clouds(path: pathlib.Path) -> Iterator[str]:
    """The secrets in a clouds.yaml or a kubeconfig."""
    yield from _secrets(yaml.safe_load(path.read_text()))


def of_configuration(path: pathlib.Path) -> Iterator[str]:
    """The secrets in a configuration file, also those within URLs."""
    parser = configparser.RawConfigParser(strict=False)
    parser.read_string(path.read_text())
    for section in (parser.default_section, *parser.sections()):
        yield from _secrets(dict(parser[section]))
        if kubeconfig := parser[section].get("kubeconfig"):
            yield from of_clouds(pathlib.Path(kubeconfig))


def of_environment(environment: Mapping[str, str]) -> Iterator[str]:
    """The secrets in variables, and in the files that they name."""
    yield from _secrets(environment)
    for name in ("OS_CLIENT_CONFIG_FILE", "KUBECONFIG"):
        if name in environment:
            yield from of_clouds(pathlib.Path(environment[name]))


def _secrets(found: Any, name: str = "") -> Iterator[str]:
    if isinstance(found, Mapping):
        for key, value in found.items():
            yield from _secrets(value, str(key))
    elif isinstance(found, list):
        for value in found:
            yield from _secrets(value, name)
    elif isinstance(found, str):
        yield from (match[1] for match in _URL.finditer(found))
        if _SECRET.search(name):
            yield found


def _forms(secret: str) -> set[str]:
    """A secret as it may have been written."""
    return {
        secret,
        urllib.parse.quote(secret, safe=""),
        urllib.parse.quote_plus(secret),
        urllib.parse.unquote(secret),
        *(_within_base64(secret.encode(), place) for place in range(3)),
    }


def _within_base64(plain: bytes, place: int) -> str:
    """What base64 makes of it behind so many other bytes, as SMTP does."""
    coded = base64.b64encode(b"\0" * place + plain).decode()
    return coded[(place * 4 + 2) // 3 : (place + len(plain)) * 4 // 3]


def found(texts: Mapping[str, str], secrets: Iterable[str]) -> list[str]:
    """Where a text tells a secret, a line each: never the secret itself.

    :param texts: by what they are.
    """
    wanted: dict[str, str] = {}
    for secret in {each for each in secrets if len(each) >= _SHORTEST}:
        for form in _forms(secret):
            if len(form) >= _SHORTEST:
                wanted[form] = "a password or token that was used"
    told = []
    for what, text in texts.items():
        for number, line in enumerate(text.splitlines(), 1):
            kinds = {kind for form, kind in wanted.items() if form in line}
            kinds |= {k for k, form in TOKENS.items() if form.search(line)}
            told += [f"{what}, line {number}: {kind}" for kind in kinds]
    return told


def texts_below(folder: pathlib.Path) -> dict[str, str]:
    """All logs and outputs in a folder, by their paths in it."""
    return {
        str(path.relative_to(folder)): path.read_text(errors="replace")
        for path in _paths_below(folder)
    }


def _paths_below(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    for ending in ("log*", "out", "err"):
        for path in sorted(folder.rglob(f"*.{ending}")):
            if path.is_file():
                yield path


class Growing:
    """The logs and outputs in a folder, of processes that go on writing."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        self._read: dict[pathlib.Path, int] = {}

    def more(self) -> dict[str, str]:
        """What is new in each since it was read, by its path and place.

        A line that has no end yet is left for the next time.
        """
        found = {}
        for path in _paths_below(self._folder):
            with path.open("rb") as log:
                size = log.seek(0, 2)
                start = self._read.get(path, 0)
                # A shorter file than before is another one.
                log.seek(start := start if start <= size else 0)
                text = log.read()
            text = text[: text.rfind(b"\n") + 1]
            self._read[path] = start + len(text)
            if text:
                name = f"{path.relative_to(self._folder)} from byte {start}"
                found[name] = text.decode(errors="replace")
        return found
