# SPDX-License-Identifier: Apache-2.0
"""Options of earlier releases that this one knows and does not read.

A configuration file of an earlier release has to start without noise.
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
    "api": frozenset(
        {"host", "port", "enabled_ssl", "ssl_key_file", "ssl_cert_file"}
    ),
    "database": frozenset({"mysql_engine"}),
}
"""Names by group."""
