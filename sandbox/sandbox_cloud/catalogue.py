# SPDX-License-Identifier: Apache-2.0
"""Who may do what in the cloud, and where its services are.

Everything is looked up first, so this may run at every start.
"""

from __future__ import annotations

from typing import Any

from sandbox_cloud import rest
from sandbox_cloud.layout import REGION, Settings

# The user that Staffeln's conductor logs in as.
STAFFELN_USER = "staffeln"
MULTIATTACH_TYPE = "multiattach"
FLAVOR = "tiny"
_ENTRIES = {
    "nova": ("compute", "/v2.1"),
    "placement": ("placement", ""),
    "cinder": ("volumev3", "/v3/%(project_id)s"),
    "neutron": ("network", ""),
    "glance": ("image", ""),
    "swift": ("object-store", "/v1/AUTH_%(project_id)s"),
    "barbican": ("key-manager", ""),
}
_ALWAYS = ("nova", "placement", "cinder", "neutron")


class Identity:
    """Users, roles and the catalogue, through Keystone's own API."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.token, _ = rest.project_token(settings, "admin", "admin")

    def _list(self, kind: str) -> list[dict[str, Any]]:
        return list(self._call("GET", f"/{kind}")[kind])

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        url = self._settings.identity_url + path
        return rest.call(method, url, body, self.token)[0]

    def set_up(self) -> None:
        """Make whatever is missing and correct whatever has moved."""
        roles = {each["name"]: each["id"] for each in self._list("roles")}
        project = self._service_project()
        users = {each["name"]: each["id"] for each in self._list("users")}
        wanted = {*_ALWAYS, *self._settings.optional}
        for name in (*sorted(wanted), STAFFELN_USER):
            if name not in users:
                users[name] = self._make_user(name)
            for role in ("admin", "service"):
                if role == "admin" or name != STAFFELN_USER:
                    self._call(
                        "PUT",
                        f"/projects/{project}/users/{users[name]}"
                        f"/roles/{roles[role]}",
                    )
        self._call(
            "PUT",
            f"/OS-INHERIT/domains/default/users/{users[STAFFELN_USER]}"
            f"/roles/{roles['member']}/inherited_to_projects",
        )
        self._set_up_catalogue(wanted)

    def _service_project(self) -> str:
        for each in self._list("projects"):
            if each["name"] == "service" and each["domain_id"] == "default":
                return str(each["id"])
        body = {"project": {"name": "service", "domain_id": "default"}}
        return str(self._call("POST", "/projects", body)["project"]["id"])

    def _make_user(self, name: str) -> str:
        user = {
            "name": name,
            "password": self._settings.password,
            "domain_id": "default",
        }
        made = self._call("POST", "/users", {"user": user})
        return str(made["user"]["id"])

    def _set_up_catalogue(self, wanted: set[str]) -> None:
        services = {
            each["name"]: each["id"] for each in self._list("services")
        }
        for name in services.keys() - wanted - {"keystone"}:
            self._call("DELETE", f"/services/{services.pop(name)}")
        for name in sorted(wanted - services.keys()):
            body = {"service": {"name": name, "type": _ENTRIES[name][0]}}
            made = self._call("POST", "/services", body)
            services[name] = made["service"]["id"]
        endpoints = {
            (each["service_id"], each["interface"]): each
            for each in self._list("endpoints")
        }
        for name, service_id in services.items():
            path = "/v3" if name == "keystone" else _ENTRIES[name][1]
            url = self._settings.url(name) + path
            for interface in ("public", "internal", "admin"):
                known = endpoints.get((service_id, interface))
                self._set_up_endpoint(service_id, interface, url, known)

    def _set_up_endpoint(
        self, service_id: str, interface: str, url: str, known: Any
    ) -> None:
        if known is None:
            endpoint = {
                "service_id": service_id,
                "interface": interface,
                "region_id": REGION,
                "url": url,
            }
            self._call("POST", "/endpoints", {"endpoint": endpoint})
        elif known["url"] != url:
            path = f"/endpoints/{known['id']}"
            self._call("PATCH", path, {"endpoint": {"url": url}})


def make_flavor_and_type(settings: Settings) -> None:
    """One small flavor, and a volume type for several servers at once."""
    token, project = rest.project_token(settings, "admin", "admin")
    types = f"{settings.url('cinder')}/v3/{project}/types"
    known = rest.call("GET", types, token=token)[0]["volume_types"]
    if MULTIATTACH_TYPE not in {each["name"] for each in known}:
        body = {
            "volume_type": {
                "name": MULTIATTACH_TYPE,
                "extra_specs": {"multiattach": "<is> True"},
            }
        }
        rest.call("POST", types, body, token)
    flavors = f"{settings.url('nova')}/v2.1/flavors"
    known = rest.call("GET", flavors, token=token)[0]["flavors"]
    if FLAVOR not in {each["name"] for each in known}:
        flavor = {"name": FLAVOR, "ram": 64, "vcpus": 1, "disk": 0}
        rest.call("POST", flavors, {"flavor": flavor}, token)
