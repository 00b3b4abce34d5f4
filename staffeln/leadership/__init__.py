# SPDX-License-Identifier: Apache-2.0
"""The one office of scheduler: which backend keeps it, and who holds it.

An office saves work and guarantees nothing: the term's fence in the
database does.
"""

from staffeln.leadership.backends import (
    check,
    connect,
    description,
    is_local,
    missing_rights,
    probe,
    warning,
)
from staffeln.leadership.rivals import rival
from staffeln.leadership.settings import Settings

__all__ = [
    "Settings",
    "check",
    "connect",
    "description",
    "is_local",
    "missing_rights",
    "probe",
    "rival",
    "warning",
]
