# SPDX-License-Identifier: Apache-2.0
"""Options of release 2.x that this release knows and does not read.

They are no misspellings; one line at the start names those that are set.
"""

from __future__ import annotations

KNOWN = {
    "database": frozenset({"mysql_engine"}),
}
"""Names by group."""
