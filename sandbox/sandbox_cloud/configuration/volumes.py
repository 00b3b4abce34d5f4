# SPDX-License-Identifier: Apache-2.0
"""Cinder: volumes as sparse files, backups as chunks in a directory."""

from __future__ import annotations

import pathlib

from sandbox_cloud.configuration import ini
from sandbox_cloud.layout import HOST, Layout, Settings

MIB = 1 << 20
FAULTS_FILE = "backup.json"


def _backup_store(layout: Layout) -> ini.Section:
    return {
        "backup_driver": "cloud_services.posix_backup.SandboxBackupDriver",
        "backup_posix_path": layout.backups,
        "backup_file_size": 32 * MIB,
        "backup_sha_block_size_bytes": 32768,
        "backup_compression_algorithm": "zstd",
        "sandbox_backup_faults": layout.faults / FAULTS_FILE,
        # Tests lower these for a project; none should meet them by chance.
        "quota_backups": 1000,
        "quota_backup_gigabytes": 10000,
    }


def _general(
    layout: Layout, settings: Settings, venv: pathlib.Path
) -> ini.Section:
    return {
        **ini.logging(layout, settings, "cinder"),
        **_backup_store(layout),
        "host": "sandbox",
        "my_ip": HOST,
        "transport_url": ini.BUS,
        "auth_strategy": "keystone",
        "api_paste_config": venv / "etc/cinder/api-paste.ini",
        "osapi_volume_listen": HOST,
        "osapi_volume_listen_port": settings.port("cinder"),
        "osapi_volume_workers": 1,
        "osapi_max_limit": settings.page_limit,
        "enabled_backends": "files",
        "default_volume_type": "__DEFAULT__",
        "state_path": layout.root / "cinder",
        "image_conversion_dir": layout.root / "conversion",
        "glance_api_servers": settings.url("glance"),
        "rootwrap_config": venv / "etc/cinder/rootwrap.conf",
        "graceful_shutdown_timeout": ini.GRACE,
        "report_interval": 10,
        "service_down_time": 60,
        "periodic_fuzzy_delay": 0,
        "quota_volumes": 1000,
        "quota_gigabytes": 10000,
        "quota_snapshots": 1000,
    }


def write_cinder(
    layout: Layout, settings: Settings, venv: pathlib.Path
) -> None:
    for directory in ("cinder", "conversion"):
        (layout.root / directory).mkdir(exist_ok=True)
    layout.cinder_more.mkdir(exist_ok=True)
    ini.write_ini(
        layout.etc / "cinder.conf",
        {
            "DEFAULT": _general(layout, settings, venv),
            "files": {
                "volume_driver": (
                    "cloud_services.sparse_files.SparseFileDriver"
                ),
                "volume_backend_name": "files",
                "sandbox_volumes_dir": layout.volumes,
            },
            "database": ini.database(layout, "cinder"),
            "keystone_authtoken": ini.token_check(settings, "cinder"),
            "service_user": {
                **ini.service_login(settings, "cinder"),
                "send_service_user_token": "true",
            },
            "nova": {
                **ini.service_login(settings, "nova"),
                "interface": "public",
            },
            "oslo_policy": ini.own_policy(layout, "cinder"),
            "coordination": {"backend_url": f"file://{layout.root}/cinder"},
            "oslo_concurrency": ini.locks(layout),
            "oslo_messaging_notifications": {"driver": "noop"},
        },
    )
