# SPDX-License-Identifier: Apache-2.0
"""Options of release 2.x that this release knows and does not read.

They are no misspellings; one line at the start names those that are set.
"""

from __future__ import annotations

KNOWN = {
    "conductor": frozenset({"report_period"}),
    "notification": frozenset(
        {
            "receiver",
            "project_receiver_domain",
            "sender_email",
            "sender_pwd",
            "smtp_server_domain",
            "smtp_server_port",
        }
    ),
    "database": frozenset({"mysql_engine"}),
}
"""Names by group."""
