# SPDX-License-Identifier: Apache-2.0
"""Glance, Neutron and Barbican, when asked for."""

from __future__ import annotations

import base64
import hashlib
import pathlib

from sandbox_cloud.configuration import ini
from sandbox_cloud.layout import HOST, Layout, Settings


def write_glance(
    layout: Layout, settings: Settings, venv: pathlib.Path
) -> None:
    root = layout.root
    ini.write_ini(
        layout.etc / "glance-api.conf",
        {
            "DEFAULT": {
                **ini.logging(layout, settings, "glance"),
                "bind_host": HOST,
                "bind_port": settings.port("glance"),
                "workers": 0,
                "enabled_backends": "local:file",
                "graceful_shutdown_timeout": ini.GRACE,
            },
            "database": ini.database(layout, "glance"),
            "keystone_authtoken": ini.token_check(settings, "glance"),
            "glance_store": {"default_backend": "local"},
            "local": {"filesystem_store_datadir": root / "images"},
            "os_glance_staging_store": {
                "filesystem_store_datadir": root / "image-staging"
            },
            "os_glance_tasks_store": {
                "filesystem_store_datadir": root / "image-tasks"
            },
            "paste_deploy": {
                "flavor": "keystone",
                "config_file": venv / "etc/glance/glance-api-paste.ini",
            },
            "oslo_concurrency": ini.locks(layout),
        },
    )


def write_neutron(
    layout: Layout, settings: Settings, venv: pathlib.Path
) -> None:
    ini.write_ini(
        layout.etc / "neutron.conf",
        {
            "DEFAULT": {
                **ini.logging(layout, settings, "neutron"),
                "bind_host": HOST,
                "bind_port": settings.port("neutron"),
                "core_plugin": "ml2",
                "service_plugins": "",
                "transport_url": ini.BUS,
                "api_workers": 1,
                "rpc_workers": 0,
                "rpc_state_report_workers": 0,
                "auth_strategy": "keystone",
                "state_path": layout.root / "neutron",
                "dhcp_agent_notification": "false",
                "notify_nova_on_port_status_changes": "false",
                "notify_nova_on_port_data_changes": "false",
                "api_paste_config": venv / "etc/neutron/api-paste.ini",
            },
            "database": ini.database(layout, "neutron"),
            "keystone_authtoken": ini.token_check(settings, "neutron"),
            "ml2": {
                "type_drivers": "local",
                "tenant_network_types": "local",
                "mechanism_drivers": "logger",
                "extension_drivers": "port_security",
            },
            "nova": ini.service_login(settings, "nova"),
            "oslo_concurrency": ini.locks(layout),
        },
    )


def write_barbican(layout: Layout, settings: Settings) -> None:
    key = hashlib.sha256(settings.password.encode()).digest()
    ini.write_ini(
        # Barbican looks for its file below the home directory only, while
        # it is imported; cloud_services.barbican_app lends it this home.
        layout.etc / ".barbican" / "barbican.conf",
        {
            "DEFAULT": {
                **ini.logging(layout, settings, "barbican"),
                "host_href": settings.url("barbican"),
                "sql_connection": ini.database_url(layout, "barbican"),
                "db_auto_create": "false",
            },
            "database": ini.database(layout, "barbican"),
            "keystone_authtoken": ini.token_check(settings, "barbican"),
            "secretstore": {"enabled_secretstore_plugins": "store_crypto"},
            "crypto": {"enabled_crypto_plugins": "simple_crypto"},
            "simple_crypto_plugin": {
                "kek": base64.b64encode(key).decode(),
            },
            "queue": {"enable": "false"},
        },
    )
