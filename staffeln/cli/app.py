# SPDX-License-Identifier: Apache-2.0
"""The ``staffeln`` command as a whole: its options, and what it says."""

from __future__ import annotations

import argparse
import functools
import logging
import sys
from collections.abc import Callable, Sequence
from typing import Any

from cliff import app, commandmanager

from staffeln import version
from staffeln.cli import words
from staffeln.cli.doors import Doors, Examine, nobody_examines
from staffeln.domain import errors

NAME = "staffeln"
NAMESPACE = "staffeln.cli"

_DESCRIPTION = (
    "Look at what Staffeln has done, does, and would do next. The commands "
    "read the configuration file of the conductor."
)
_SAYS_ENOUGH = (errors.StaffelnError, ValueError)
"""Exceptions whose text is a sentence: ours, and cliff's own."""
_LEVELS = {
    -1: (logging.ERROR, logging.ERROR),
    0: (logging.WARNING, logging.ERROR),
    1: (logging.INFO, logging.WARNING),
    2: (logging.DEBUG, logging.DEBUG),
}
"""By -q and -v: what is said of our own messages, and of libraries'."""
_USAGE = 2
"""Exit code where the command line is wrong, as argparse has it."""


class StaffelnApp(app.App):
    """Finds the command and runs it.

    :param open_doors: called with the paths of ``--config-file`` when the
        first command needs something; raises StaffelnError.
    :param examine: looks at the deployment, also where no door opens.
    """

    NAME = NAME
    DEFAULT_VERBOSE_LEVEL = 0

    def __init__(
        self,
        open_doors: Callable[[Sequence[str]], Doors],
        examine: Examine = nobody_examines,
    ) -> None:
        super().__init__(
            description=_DESCRIPTION,
            version=version.version_string(),
            command_manager=commandmanager.CommandManager(NAMESPACE),
            deferred_help=True,
        )
        self._open_doors = open_doors
        self.examine = examine
        self._console: logging.Handler | None = None

    @functools.cached_property
    def doors(self) -> Doors:
        """The way to the database and the cloud.

        :raises StaffelnError: the configuration is wrong.
        """
        return self._open_doors(self.options.config_file)

    def build_option_parser(
        self,
        description: str | None,
        version: str | None,
        argparse_kwargs: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> argparse.ArgumentParser:
        """The options that every command has."""
        parser = argparse.ArgumentParser(
            prog=NAME,
            description=description,
            add_help=False,
            allow_abbrev=False,
        )
        parser.add_argument(
            "--version", action="version", version=f"{NAME} {version}"
        )
        parser.add_argument(
            "--config-file",
            action="append",
            default=[],
            metavar="PATH",
            help="read this configuration file (default: "
            "/etc/staffeln/staffeln.conf); of several the last one that "
            "sets an option wins",
        )
        loudness = parser.add_mutually_exclusive_group()
        loudness.add_argument(
            "-v",
            "--verbose",
            action="count",
            dest="verbose_level",
            default=self.DEFAULT_VERBOSE_LEVEL,
            help="say more on standard error; -vv shows every call",
        )
        loudness.add_argument(
            "-q",
            "--quiet",
            action="store_const",
            dest="verbose_level",
            const=-1,
            help="say nothing but errors on standard error",
        )
        parser.add_argument(
            "--debug", action="store_true", help="show tracebacks of errors"
        )
        parser.add_argument(
            "-h",
            "--help",
            action="store_true",
            dest="deferred_help",
            help="show this help, or that of a command, and exit",
        )
        return parser

    def configure_logging(self) -> None:
        """Log to standard error, line by line.

        Not as the configuration says: the log files are the conductor's.
        """
        ours, others = _LEVELS[min(self.options.verbose_level, 2)]
        self._console = logging.StreamHandler(self.stderr)
        self._console.setFormatter(_OneLine(self.options.debug))
        self._console.addFilter(
            lambda record: (
                record.levelno
                >= (ours if record.name.startswith(NAME) else others)
            )
        )
        root = logging.getLogger()
        root.setLevel(logging.DEBUG)
        root.addHandler(self._console)

    def initialize_app(self, argv: list[str]) -> None:
        """Refuse a command line without a command."""
        if argv and argv[0].startswith("-"):
            self.parser.error(f"there is no option {argv[0]}")
        if not argv and not self.options.deferred_help:
            self.parser.error("which command? --help lists them")

    def run(self, argv: Sequence[str]) -> int:
        """Run one command; returns the exit code."""
        try:
            return super().run(list(argv))
        except SystemExit as leaving:
            return _exit_code(leaving)
        finally:
            if self._console is not None:
                logging.getLogger().removeHandler(self._console)

    def tell(self, line: str) -> None:
        """Say something beside the output, on standard error."""
        if self.options.verbose_level >= 0:
            # What is read together is to stand in order.
            self.stdout.flush()
            print(words.plain(line), file=self.stderr)


def _exit_code(leaving: SystemExit) -> int:
    if leaving.code is None:
        return 0
    return leaving.code if isinstance(leaving.code, int) else _USAGE


class _OneLine(logging.Formatter):
    """Each message one line that a terminal cannot mistake for commands."""

    def __init__(self, debug: bool) -> None:
        super().__init__()
        self._debug = debug

    def format(self, record: logging.LogRecord) -> str:
        """The line; with ``--debug`` the traceback after it."""
        said = record.getMessage()
        if isinstance(record.msg, Exception) and not isinstance(
            record.msg, _SAYS_ENOUGH
        ):
            said = f"{type(record.msg).__name__}: {said} (--debug shows more)"
        level = ""
        if record.levelno < logging.ERROR:
            level = f"{record.levelname.lower()}: "
        line = f"{NAME}: {level}{words.plain(said)}"
        if self._debug and record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def main(
    argv: Sequence[str],
    open_doors: Callable[[Sequence[str]], Doors],
    examine: Examine = nobody_examines,
) -> int:
    """Run one command; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A name must not be able to end the command in a narrow locale.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    return StaffelnApp(open_doors, examine).run(argv)
