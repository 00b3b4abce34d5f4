# SPDX-License-Identifier: Apache-2.0
"""What errors of a database mean: is it safe to run a transaction again?"""

from __future__ import annotations

from oslo_db import exception as oslo_exception

# MariaDB: a row changed since the snapshot, a Galera node that is not
# ready, lock wait timeout, deadlock: also of what other nodes committed.
NOT_READY = 1047
_DEADLOCK = 1213
_AGAIN_MYSQL = frozenset({1020, NOT_READY, 1205, _DEADLOCK})
# A Galera node lost the others during a commit: they may have it or not.
COMMIT_FAILED = 1180
FILE_GONE = "the database's file is gone"
"""What we say of an SQLite file that is moved away; it may come back."""
_AGAIN_SQLSTATE = frozenset({"40001", "40P01"})


def may_run_again(error: BaseException | None) -> bool:
    """Whether the database gave the transaction up, but not for good."""
    if error is None:
        return False
    if isinstance(
        error, oslo_exception.DBDeadlock | oslo_exception.DBConnectionError
    ):
        return True
    # A deadlock within a savepoint: MariaDB has dropped that as well, and
    # the error tells of this; oslo.db keeps the deadlock as its cause.
    if may_run_again(getattr(error, "cause", None)):
        return True
    original = _original(error)
    if str(original).startswith(("database is locked", FILE_GONE)):
        return True
    if getattr(original, "pgcode", None) in _AGAIN_SQLSTATE:
        return True
    return number(error) in _AGAIN_MYSQL


def in_one_line(error: Exception) -> str:
    """The driver's own words; never the statement, its values or the URL.

    PostgreSQL's further lines would quote them.
    """
    lines = str(_original(error)).strip().splitlines() or [repr(error)]
    return " ".join(lines[0].split())[:300]


def is_outrun(error: BaseException | None) -> bool:
    """Whether the database gave the transaction up for the sake of another."""
    return error is not None and (
        number(error) == _DEADLOCK
        or getattr(_original(error), "pgcode", None) in _AGAIN_SQLSTATE
        or is_outrun(getattr(error, "cause", None))
    )


def number(error: BaseException) -> object:
    """MariaDB's number of the error; None: it has none."""
    arguments: tuple[object, ...] = getattr(_original(error), "args", ())
    return arguments[0] if arguments else None


def _original(error: BaseException) -> BaseException:
    """The driver's own error behind those of the libraries."""
    inner = getattr(error, "inner_exception", None) or error
    return getattr(inner, "orig", None) or inner
