# SPDX-License-Identifier: Apache-2.0
"""Nova with its fake hypervisor."""

from __future__ import annotations

import pathlib

from sandbox_cloud.configuration import ini
from sandbox_cloud.layout import HOST, REGION, Layout, Settings


def _general(
    layout: Layout, settings: Settings, venv: pathlib.Path
) -> ini.Section:
    return {
        **ini.logging(layout, settings, "nova"),
        "host": "sandbox",
        "my_ip": HOST,
        "transport_url": ini.BUS,
        "compute_driver": "fake.FakeDriver",
        "enabled_apis": "osapi_compute",
        "osapi_compute_listen": HOST,
        "osapi_compute_listen_port": settings.port("nova"),
        "osapi_compute_workers": 1,
        "state_path": layout.root / "nova",
        "rootwrap_config": venv / "etc/nova/rootwrap.conf",
        "graceful_shutdown_timeout": ini.GRACE,
        "reserved_host_memory_mb": 0,
        # Without this the first start waits up to a minute.
        "periodic_fuzzy_delay": 0,
        "vif_plugging_is_fatal": "false",
        "vif_plugging_timeout": 0,
        "sync_power_state_interval": -1,
        "heal_instance_info_cache_interval": -1,
        "report_interval": 20,
        "service_down_time": 120,
        "update_resources_interval": 60,
    }


def write_nova(layout: Layout, settings: Settings, venv: pathlib.Path) -> None:
    (layout.root / "nova").mkdir(exist_ok=True)
    login = ini.service_login(settings, "nova")
    ini.write_ini(
        layout.etc / "nova.conf",
        {
            "DEFAULT": _general(layout, settings, venv),
            "api": {
                "auth_strategy": "keystone",
                "max_limit": settings.page_limit,
            },
            "api_database": ini.database(layout, "nova_api"),
            "database": ini.database(layout, "nova"),
            "keystone_authtoken": ini.token_check(settings, "nova"),
            "service_user": {**login, "send_service_user_token": "true"},
            "placement": ini.service_login(settings, "placement"),
            "neutron": ini.service_login(settings, "neutron"),
            "cinder": {
                **login,
                "catalog_info": "volumev3:cinder:publicURL",
                "os_region_name": REGION,
            },
            "glance": {"api_servers": settings.url("glance")},
            "wsgi": {"api_paste_config": venv / "etc/nova/api-paste.ini"},
            "scheduler": {
                "workers": 1,
                "discover_hosts_in_cells_interval": 3,
            },
            "conductor": {"workers": 1},
            "quota": {"instances": 1000, "cores": -1, "ram": -1},
            "oslo_policy": ini.own_policy(layout, "nova"),
            "oslo_concurrency": ini.locks(layout),
            "oslo_messaging_notifications": {"driver": "noop"},
        },
    )
