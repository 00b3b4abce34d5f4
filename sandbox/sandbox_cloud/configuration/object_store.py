# SPDX-License-Identifier: Apache-2.0
"""Swift: one proxy and one server of each kind on one directory."""

from __future__ import annotations

from sandbox_cloud.configuration import ini
from sandbox_cloud.layout import HOST, Layout, Settings

KINDS = ("account", "container", "object")
_PLAIN_FILTERS = (
    "catch_errors",
    "gatekeeper",
    "healthcheck",
    "copy",
    "slo",
    "dlo",
)


def write_swift(layout: Layout, settings: Settings) -> None:
    etc = layout.etc / "swift"
    (layout.root / "swift" / "d1").mkdir(parents=True, exist_ok=True)
    base = {
        "bind_ip": HOST,
        "workers": 0,
        "swift_dir": etc,
        "devices": layout.root / "swift",
        "mount_check": "false",
        "log_level": "WARNING",
    }
    ini.write_ini(
        etc / "swift.conf",
        {
            "swift-hash": {
                "swift_hash_path_prefix": "sandbox",
                "swift_hash_path_suffix": "sandbox",
            },
            "storage-policy:0": {"name": "one", "default": "yes"},
        },
    )
    for kind in KINDS:
        ini.write_ini(
            etc / f"{kind}-server.conf",
            {
                "DEFAULT": {
                    **base,
                    "bind_port": settings.port(f"swift-{kind}"),
                },
                "pipeline:main": {"pipeline": f"{kind}-server"},
                f"app:{kind}-server": {"use": f"egg:swift#{kind}"},
            },
        )
    _write_proxy(layout, settings, base)


def _write_proxy(
    layout: Layout, settings: Settings, base: ini.Section
) -> None:
    filters: dict[str, ini.Section] = {
        f"filter:{name}": {"use": f"egg:swift#{name}"}
        for name in _PLAIN_FILTERS
    }
    ini.write_ini(
        layout.etc / "swift" / "proxy-server.conf",
        {
            "DEFAULT": {**base, "bind_port": settings.port("swift")},
            "pipeline:main": {
                "pipeline": "catch_errors gatekeeper healthcheck authtoken"
                " keystoneauth copy slo dlo proxy-server"
            },
            "app:proxy-server": {
                "use": "egg:swift#proxy",
                "account_autocreate": "true",
            },
            "filter:authtoken": {
                "paste.filter_factory": (
                    "keystonemiddleware.auth_token:filter_factory"
                ),
                "delay_auth_decision": "true",
                **ini.token_check(settings, "swift"),
            },
            "filter:keystoneauth": {
                "use": "egg:swift#keystoneauth",
                "operator_roles": "admin, member",
            },
            **filters,
        },
    )
