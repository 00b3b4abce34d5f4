# SPDX-License-Identifier: Apache-2.0
"""Commands run against a small world, and what they print."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import io
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import fixtures

from staffeln import ports
from staffeln.cli import app
from staffeln.cli.doors import Doors
from staffeln.domain import freshness
from staffeln.tests import base
from staffeln.tests.unit.workflow.world import World


@dataclasses.dataclass(frozen=True)
class Said:
    """What a command said."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """The output as JSON."""
        return json.loads(self.out)

    def widest(self) -> int:
        """The length of the longest line of the output."""
        return max(len(line) for line in self.out.splitlines())


class CommandTestCase(base.TestCase):
    """A test that runs commands; ``self.world`` is what they look at."""

    def setUp(self) -> None:
        super().setUp()
        self.world = World()
        self.store: ports.Store = self.world.store
        self.limits = freshness.Limits(
            cycle=datetime.timedelta(hours=1),
            retention=datetime.timedelta(hours=2),
            protection=datetime.timedelta(hours=3),
        )
        self.config_files: list[Sequence[str]] = []
        self.open_doors: Callable[[Sequence[str]], Doors] = self.doors

    def doors(self, config_files: Sequence[str]) -> Doors:
        """The way to the world."""
        self.config_files.append(config_files)
        return Doors(
            store=self.open_store,
            cloud=lambda: self.world.cloud,
            settings=lambda _: self.world.settings,
            limits=lambda: self.limits,
            host_time=self.world.clock,
        )

    @contextlib.contextmanager
    def open_store(self) -> Iterator[ports.Store]:
        """The world's database."""
        yield self.store

    def run_command(self, *arguments: str) -> Said:
        """Run a command as an operator does."""
        out, err = io.StringIO(), io.StringIO()
        with (
            fixtures.MonkeyPatch("sys.stdout", out),
            fixtures.MonkeyPatch("sys.stderr", err),
        ):
            code = app.main(arguments, self.open_doors)
        return Said(code, out.getvalue(), err.getvalue())

    def succeed(self, *arguments: str) -> Said:
        """Run a command that has to end well."""
        said = self.run_command(*arguments)
        self.assertEqual(0, said.code, said.err)
        return said

    def refused(self, *arguments: str) -> str:
        """The one line of a command that cannot be carried out."""
        said = self.run_command(*arguments)
        self.assertEqual((1, ""), (said.code, said.out))
        (line,) = said.err.splitlines()
        return line
