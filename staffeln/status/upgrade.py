# SPDX-License-Identifier: Apache-2.0
"""``staffeln-status upgrade check``: may this release be started here?

It is run after the new release was installed and before it is started, so
it must say something sensible of a database that was not upgraded yet. What
is looked at is what a doctor looks at, in the form that OpenStack's tools
for deployments know.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from oslo_config import cfg
from oslo_upgradecheck import upgradecheck
from oslo_upgradecheck.upgradecheck import Code

from staffeln.domain.findings import (
    HELD,
    Examination,
    Finding,
    Result,
    sorted_findings,
    worst,
)

LOOKED_AT: Mapping[str, tuple[str, ...]] = {
    "Schema": ("database", "schema"),
    "Options": ("configuration",),
    "Credentials": ("keystone", "nova", "cinder", "deployment"),
    "Lock backend": ("coordination",),
    "Clocks": ("clocks",),
}
"""Titles, each with the checks of the doctor that it sums up."""

_CODES = {
    Result.OK: Code.SUCCESS,
    Result.WARNING: Code.WARNING,
    Result.NOT_CHECKED: Code.WARNING,
    Result.ERROR: Code.FAILURE,
}


NOT_LOOKED_AT = "not looked at before what failed above is mended"


@dataclasses.dataclass(frozen=True, slots=True)
class Look:
    """What was found."""

    examination: Examination
    before_the_upgrade: Mapping[str, Iterable[Finding]]
    """Of a database that waits for its upgrade, by title."""


class UpgradeChecks(upgradecheck.UpgradeCommands):
    """The checks by their titles; all facts are asked for once."""

    def __init__(self, look: Callable[[], Look]) -> None:
        self._look = look
        self._found: Look | None = None
        self._upgrade_checks = tuple(
            (title, _summed(title)) for title in LOOKED_AT
        )

    def findings(self, title: str) -> tuple[Finding, ...]:
        """All that belongs to a title, the worst first."""
        if self._found is None:
            self._found = self._look()
        found = [
            finding
            for checked in self._found.examination.checks
            if checked.name in LOOKED_AT[title]
            for finding in checked.findings
            # What could not be looked at for the schema is the schema's.
            if finding.kind != HELD
        ]
        found += self._found.before_the_upgrade.get(title, ())
        return sorted_findings(found)


def _summed(title: str) -> Callable[[UpgradeChecks], upgradecheck.Result]:
    def look(checks: UpgradeChecks) -> upgradecheck.Result:
        found = checks.findings(title)
        code = _CODES[worst(each.result for each in found)]
        said = "; ".join(map(_words, found))
        return upgradecheck.Result(code, said or NOT_LOOKED_AT)

    return look


def _words(finding: Finding) -> str:
    return f"{finding.what} ({finding.todo})" if finding.todo else finding.what


def command_line() -> cfg.SubCommandOpt:
    """``upgrade check [--json]``, as all OpenStack services have it."""
    return cfg.SubCommandOpt(
        "command", title="commands", handler=_add_commands
    )


def _add_commands(commands: Any) -> None:
    upgrade = commands.add_parser(
        "upgrade",
        help="may this release be started here?",
        description="Says whether this release may be started here.",
    )
    upgrade.add_argument(
        "what",
        choices=["check"],
        help="look at schema, options, credentials, lock backend and clocks; "
        "the exit code is 0 when all is well, 1 when somebody should look, 2 "
        "when it must not be started yet",
    )
    upgrade.add_argument(
        "--json", action="store_true", help="print JSON and no table"
    )


def check(conf: cfg.ConfigOpts, look: Callable[[], Look]) -> int:
    """Print what is found; returns the exit code.

    :param conf: has :func:`command_line`.
    """
    # Where the library looks for --json; its main() sets it like this.
    upgradecheck.CONF = conf
    code = UpgradeChecks(look).check()
    sys.stdout.flush()
    return int(code)
