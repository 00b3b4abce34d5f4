# SPDX-License-Identifier: Apache-2.0
"""Keystone and Placement."""

from __future__ import annotations

from sandbox_cloud.configuration import ini
from sandbox_cloud.layout import Layout, Settings


def write_keystone(layout: Layout, settings: Settings) -> None:
    ini.write_ini(
        layout.etc / "keystone.conf",
        {
            "DEFAULT": ini.logging(layout, settings, "keystone"),
            "database": ini.database(layout, "keystone"),
            # Four hours: a test run must not outlive its tokens.
            "token": {"provider": "fernet", "expiration": 14400},
            "fernet_tokens": {"key_repository": layout.etc / "fernet-keys"},
            # Else fernet_setup puts a second set of keys below /etc.
            "fernet_receipts": {"key_repository": layout.etc / "fernet-keys"},
            "credential": {"key_repository": layout.etc / "credential-keys"},
            # Hashing strength is of no use here and costs time per login.
            "identity": {"password_hash_rounds": 4},
            "cache": {"enabled": "true", "backend": "dogpile.cache.memory"},
            "oslo_policy": ini.own_policy(layout, "keystone"),
        },
    )


def write_placement(layout: Layout, settings: Settings) -> None:
    ini.write_ini(
        layout.etc / "placement.conf",
        {
            "DEFAULT": ini.logging(layout, settings, "placement"),
            "placement_database": ini.database(layout, "placement"),
            "api": {"auth_strategy": "keystone"},
            "keystone_authtoken": ini.token_check(settings, "placement"),
        },
    )
