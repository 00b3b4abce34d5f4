# SPDX-License-Identifier: Apache-2.0
"""The documentation's pages, and the texts that the code can say."""

from __future__ import annotations

import ast
import functools
import pathlib
import re
from collections.abc import Iterator
from typing import TypeGuard

import staffeln

PACKAGE = pathlib.Path(staffeln.__file__).parent
ROOT = PACKAGE.parent
PAGES = ROOT / "doc" / "source"

HOLE = "\0"
"""Where a text of the code has a value, and a page a capital letter."""

_FORMAT = re.compile(r"%(?:\([a-z_]+\))?[-0-9.]*[sdgfr]")
_VALUE = re.compile(r"\b[A-Z]\b|\.\.\.")


def pages() -> Iterator[pathlib.Path]:
    """Every page, and what stands beside the sources."""
    yield from sorted(PAGES.rglob("*.rst"))
    yield ROOT / "README.rst"
    yield ROOT / "CONTRIBUTING.rst"


def literals(text: str) -> Iterator[str]:
    """What a page has between double backquotes, in one line each."""
    for found in re.finditer(r"``(.+?)``", text, re.DOTALL):
        yield " ".join(found[1].split())


def phrases(text: str) -> Iterator[str]:
    """The same; a line of the log that is too long for one literal is two."""
    yield from literals(re.sub(r"``\s+``", " ", text))


@functools.cache
def said() -> str:
    """All that the code can say, a line each, with holes for values."""
    lines = []
    for path in sorted(PACKAGE.rglob("*.py")):
        if "tests" in path.relative_to(PACKAGE).parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            text = _text(node)
            if text:
                lines.append(" ".join(_FORMAT.sub(HOLE, text).split()))
    return "\n".join(lines)


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else HOLE
            for part in node.values
        )
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return ""


def pieces(phrase: str) -> list[str]:
    """The fixed words of a phrase of a page, without its values."""
    found = (piece.strip(" :;,()") for piece in _VALUE.split(phrase))
    return [piece for piece in found if len(piece) > 3]


def alarms(*rooms: str) -> Iterator[str]:
    """What rooms of the code log as alarms, with holes for values."""
    for room in rooms:
        for path in sorted((PACKAGE / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if _is_alarm(node) and _text(node.args[0]):
                    yield _FORMAT.sub(HOLE, _text(node.args[0]))


def _is_alarm(node: ast.AST) -> TypeGuard[ast.Call]:
    return (
        isinstance(node, ast.Call)
        and bool(node.args)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "LOG"
        and node.func.attr in ("warning", "error", "exception", "critical")
    )
