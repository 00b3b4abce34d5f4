# SPDX-License-Identifier: Apache-2.0
"""``staffeln doctor``."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
from collections.abc import Iterator
from typing import Any, cast

from cliff import command

from staffeln.cli import examined
from staffeln.cli.app import StaffelnApp
from staffeln.domain.findings import (
    CHECKS,
    CheckRequest,
    Examination,
    Finding,
    Result,
)

LOG = logging.getLogger(__name__)

_LIMIT = 30.0
_LONGEST_LIMIT = 86_400
_WIDEST = 10_000
_QUIET = ("staffeln", "py.warnings")


class Doctor(command.Command):
    """Look for what keeps this deployment from working; change nothing.

    Each check runs by itself, within its own time: one that fails or hangs
    hides no other. No mail is sent, no lease taken, no row written, nothing
    made or deleted in the cloud.

    The exit code is 0 where all is well, 1 where there are warnings or a
    check could not be made, 2 where there are errors (or the command line
    is wrong).
    """

    @property
    def staffeln(self) -> StaffelnApp:
        """The application that runs it."""
        return cast(StaffelnApp, self.app)

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Its options."""
        parser = super().get_parser(prog_name)
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        which = parser.add_mutually_exclusive_group()
        which.add_argument(
            "--check",
            action="append",
            choices=list(CHECKS),
            metavar="NAME",
            help="only this check, and silently what it needs; can be "
            "repeated",
        )
        which.add_argument(
            "--skip",
            action="append",
            choices=list(CHECKS),
            metavar="NAME",
            help="all checks but this one; can be repeated",
        )
        parser.add_argument(
            "--json",
            action="store_true",
            help="print one JSON document with everything that was found",
        )
        parser.add_argument(
            "--timeout",
            type=_seconds,
            default=_LIMIT,
            metavar="SECONDS",
            help=f"how long each check may take (default: {_LIMIT:g}); ten "
            "times as long where whole lists are read",
        )
        parser.add_argument(
            "--policy-url",
            metavar="URL",
            help="where Cinder's policy asks whether a backup may be deleted "
            "(default: staffeln-api on this host, by group [api])",
        )
        parser.add_argument(
            "--policy-ca",
            metavar="FILE",
            help="authorities that may have signed its certificate (PEM)",
        )
        parser.add_argument(
            "--policy-cert",
            metavar="FILE",
            help="client certificate and its key to show there (PEM)",
        )
        parser.add_argument(
            "--max-width",
            type=_columns,
            default=0,
            metavar="N",
            help="how wide the table may be (default: as the terminal)",
        )
        width = max(len(name) for name in CHECKS)
        listed = "\n".join(
            f"  {name:<{width}}  {about}" for name, about in CHECKS.items()
        )
        parser.epilog = f"checks:\n{listed}"
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Look, and show it; returns the exit code."""
        wanted = [
            name
            for name in CHECKS
            if name in (parsed_args.check or CHECKS)
            and name not in (parsed_args.skip or ())
        ]
        if not wanted:
            self.staffeln.parser.error("no check is left")
        asked = CheckRequest(
            config_files=self.staffeln.options.config_file,
            checks=wanted,
            limit=parsed_args.timeout,
            policy_url=parsed_args.policy_url,
            policy_ca=parsed_args.policy_ca,
            policy_cert=parsed_args.policy_cert,
        )
        with self._in_silence():
            found = self.staffeln.examine(asked)
        try:
            self._show(found, parsed_args)
        except BrokenPipeError:
            raise
        except OSError as error:
            # Not 1, which would say that there are but warnings.
            LOG.error("the output is lost: %s", error.strerror)
            return Result.ERROR.exit_code
        return found.result.exit_code

    def _show(
        self, found: Examination, parsed_args: argparse.Namespace
    ) -> None:
        out = self.staffeln.stdout
        if parsed_args.json:
            json.dump(as_json(found), out, indent=2)
            out.write("\n")
        else:
            width = examined.room(parsed_args.max_width)
            coloured = examined.is_coloured(out)
            for line in examined.lines(found, width, coloured=coloured):
                out.write(f"{line}\n")
        out.flush()

    @contextlib.contextmanager
    def _in_silence(self) -> Iterator[None]:
        """What the doors log would say the same twice; -v shows it."""
        if self.staffeln.options.verbose_level > 0:
            yield
            return
        loggers = [logging.getLogger(name) for name in _QUIET]
        for each in loggers:
            each.setLevel(logging.CRITICAL + 1)
        try:
            yield
        finally:
            for each in loggers:
                each.setLevel(logging.NOTSET)


def as_json(found: Examination) -> dict[str, Any]:
    """The document; names and meanings in it stay."""
    return {
        "result": found.result.value,
        "exit_code": found.result.exit_code,
        "seconds": round(found.seconds, 3),
        "counts": {each.value: found.count(each) for each in Result},
        "checks": [
            {
                "check": each.name,
                "result": each.result.value,
                "seconds": round(each.seconds, 3),
                "findings": [_finding(one) for one in each.findings],
            }
            for each in found.checks
        ],
    }


def _finding(found: Finding) -> dict[str, Any]:
    return {
        "kind": found.kind,
        "result": found.result.value,
        "what": found.what,
        "what_to_do": found.todo,
        "where": dict(found.where),
    }


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= _LONGEST_LIMIT:
        raise argparse.ArgumentTypeError(
            f"{text!r}: must be seconds, more than 0 and at most "
            f"{_LONGEST_LIMIT}"
        )
    return number


def _columns(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = -1
    if not 0 <= number <= _WIDEST:
        raise argparse.ArgumentTypeError(
            f"{text!r}: must be columns, at most {_WIDEST}"
        )
    return number
