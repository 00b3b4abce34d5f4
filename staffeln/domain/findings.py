# SPDX-License-Identifier: Apache-2.0
"""What an examination of a deployment finds, and how bad it is."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Collection, Iterable, Mapping, Sequence


class Result(enum.StrEnum):
    """How a check ended; the names are those of JSON."""

    OK = "ok"
    WARNING = "warning"
    NOT_CHECKED = "not-checked"
    """Nobody knows: it could not be looked at."""
    ERROR = "error"

    @property
    def badness(self) -> int:
        """For sorting: the worst has the highest."""
        return _BADNESS[self]

    @property
    def exit_code(self) -> int:
        """0: all is well. 1: somebody should look. 2: it is broken."""
        return {Result.OK: 0, Result.ERROR: 2}.get(self, 1)


_BADNESS = {each: place for place, each in enumerate(Result)}


CHECKS: Mapping[str, str] = {
    "configuration": "options that are wrong, unknown or of release 2.x",
    "files": "files with secrets, and folders, that others can read or change",
    "keystone": "the service user's credentials",
    "nova": "Nova, its microversion, and administrator rights in it",
    "cinder": "Cinder, its microversion, and administrator rights in it",
    "backup-services": "whether cinder-backup is up, and where it is not",
    "database": "whether the database answers",
    "schema": "whether the database has the schema of this release",
    "rights": "whether the database lets us read and write its rows",
    "galera": "whether the nodes of a Galera cluster wait for each other",
    "deployment": "whether the database belongs to this cloud",
    "clocks": "clocks of this host, of the database and of Cinder",
    "coordination": "the scheduler's lock or Lease, and the rights to it",
    "conductors": "whether conductors live, and share one lock",
    "rounds": "whether cycles and rounds of retention end in time",
    "brakes": "what is paused, and retention that waits for a yes",
    "selection": "which volumes are selected, and what cannot be read",
    "roles": "projects in which the service user cannot act",
    "quotas": "projects whose quota has no room for another backup",
    "protection": "selected volumes without a backup, or without a new one",
    "orphans": "backups of this deployment in Cinder that have no row",
    "policy": "whether staffeln-api tells Cinder what may be deleted",
    "mail": "the mail server, as far as the login",
}
"""What is looked at, in the order of a look at all: name and contents."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest:
    """What an operator wants to know."""

    config_files: Sequence[str] = ()
    """Empty: the default one."""
    checks: Collection[str]
    """Names of the checks that are shown."""
    limit: float
    """Seconds for each check; those that read whole lists get more."""
    policy_url: str | None = None
    """Where Cinder asks; None: where staffeln-api of this host answers."""
    policy_ca: str | None = None
    """File of the authorities of that URL's certificate."""
    policy_cert: str | None = None
    """File of a client certificate with its key."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was found."""

    kind: str
    """The same for all findings of its sort, such as ``no-role``."""
    result: Result
    what: str
    """What is wrong and where, in one line for people."""
    todo: str = ""
    """What helps, in one line; empty where nothing has to be done."""
    where: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """The same place for machines: option, host, project_id, volume_id."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One check that has ended, or that was given up."""

    name: str
    findings: tuple[Finding, ...]
    """Never none; the worst first."""
    seconds: float = 0.0

    @property
    def result(self) -> Result:
        """That of its worst finding."""
        return worst(each.result for each in self.findings)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """All checks that were wanted, the worst first."""

    checks: tuple[Checked, ...]
    seconds: float

    @property
    def result(self) -> Result:
        """That of its worst check."""
        return worst(each.result for each in self.checks)

    def count(self, result: Result) -> int:
        """How many checks ended like this."""
        return sum(each.result is result for each in self.checks)


def worst(results: Iterable[Result]) -> Result:
    """The worst of them; nothing is not bad."""
    return max(results, key=lambda each: each.badness, default=Result.OK)


def in_order(checks: Iterable[Checked]) -> tuple[Checked, ...]:
    """The worst first; those that are alike in the order they have."""
    return tuple(sorted(checks, key=lambda each: -each.result.badness))


def sorted_findings(found: Sequence[Finding]) -> tuple[Finding, ...]:
    """The worst first; without praise where there is anything else."""
    bad = [each for each in found if each.result is not Result.OK]
    return tuple(sorted(bad or found, key=lambda each: -each.result.badness))


HELD = "needs-another"
"""The kind of what another check has to say first."""


# -- how findings are made ---------------------------------------------------


def fine(what: str) -> Finding:
    """All is well, in a few words."""
    return Finding(kind="ok", result=Result.OK, what=what)


def warning(kind: str, what: str, todo: str, **where: str) -> Finding:
    """Somebody should look at it."""
    return Finding(
        kind=kind, result=Result.WARNING, what=what, todo=todo, where=where
    )


def error(kind: str, what: str, todo: str, **where: str) -> Finding:
    """It is broken."""
    return Finding(
        kind=kind, result=Result.ERROR, what=what, todo=todo, where=where
    )


def not_checked(kind: str, what: str, todo: str, **where: str) -> Finding:
    """It could not be looked at."""
    return Finding(
        kind=kind,
        result=Result.NOT_CHECKED,
        what=what,
        todo=todo,
        where=where,
    )
