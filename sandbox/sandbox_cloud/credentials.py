# SPDX-License-Identifier: Apache-2.0
"""What a user of the cloud needs: credentials and addresses."""

from __future__ import annotations

import json

from sandbox_cloud.catalogue import STAFFELN_USER
from sandbox_cloud.layout import REGION, Layout, Settings, write_private

# Cloud in clouds.yaml -> user, project, openrc file.
CLOUDS = {
    "sandbox-admin": ("admin", "admin", "openrc"),
    "sandbox-staffeln": (STAFFELN_USER, "service", "staffeln-openrc"),
}
_ENTRY = """\
  {cloud}:
    auth:
      auth_url: {url}
      username: {user}
      password: {password}
      project_name: {project}
      user_domain_name: Default
      project_domain_name: Default
    region_name: {region}
    interface: public
    identity_api_version: 3
"""


def openrc(settings: Settings, user: str, project: str) -> str:
    """Shell exports for one user; the loopback is kept off any proxy."""
    values = {
        "AUTH_URL": settings.identity_url,
        "USERNAME": user,
        "PASSWORD": settings.password,
        "PROJECT_NAME": project,
        "USER_DOMAIN_NAME": "Default",
        "PROJECT_DOMAIN_NAME": "Default",
        "REGION_NAME": REGION,
        "INTERFACE": "public",
        "IDENTITY_API_VERSION": "3",
    }
    lines = [f"export OS_{name}='{value}'" for name, value in values.items()]
    lines += [
        f'export {name}="127.0.0.1,localhost${{{name}:+,${name}}}"'
        for name in ("no_proxy", "NO_PROXY")
    ]
    return "\n".join(lines) + "\n"


def write_all(layout: Layout, settings: Settings) -> None:
    """Write clouds.yaml, the openrc files and endpoints.json."""
    entries = ["clouds:\n"]
    for cloud, (user, project, file_name) in CLOUDS.items():
        entries.append(
            _ENTRY.format(
                cloud=cloud,
                url=settings.identity_url,
                user=user,
                password=json.dumps(settings.password),
                project=project,
                region=REGION,
            )
        )
        rc = openrc(settings, user, project)
        write_private(layout.root / file_name, rc)
    write_private(layout.clouds_yaml, "".join(entries))
    services = ("keystone", "nova", "placement", "cinder", "neutron")
    addresses = {
        name: settings.url(name)
        for name in dict.fromkeys((*services, *settings.optional))
    }
    directories = {
        "state_dir": layout.root,
        "volumes_dir": layout.volumes,
        "backups_dir": layout.backups,
        "faults_dir": layout.faults,
        "log_dir": layout.log,
    }
    places = {name: str(path) for name, path in directories.items()}
    write_private(
        layout.root / "endpoints.json",
        json.dumps({**addresses, **places}, indent=1) + "\n",
    )
