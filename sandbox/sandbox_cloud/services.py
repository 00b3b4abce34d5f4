# SPDX-License-Identifier: Apache-2.0
"""Which processes make up the cloud: their commands, files and ports."""

from __future__ import annotations

import dataclasses
import pathlib

from sandbox_cloud.configuration import object_store
from sandbox_cloud.layout import CODE, Layout, Settings


@dataclasses.dataclass(frozen=True)
class Service:
    """One process of the cloud."""

    name: str
    argv: tuple[str, ...]
    port: int
    files: tuple[pathlib.Path, ...]
    environment: tuple[tuple[str, str], ...] = ()


class Roster:
    """All services of one sandbox, Keystone first."""

    def __init__(
        self, layout: Layout, settings: Settings, venv: pathlib.Path
    ) -> None:
        self._layout = layout
        self._settings = settings
        self._python = str(venv / "bin" / "python")

    def all(self) -> list[Service]:
        etc = self._layout.etc
        wanted = self._settings.optional
        found = [
            self._wsgi("keystone", "keystone.wsgi.api", etc / "keystone.conf"),
            self._wsgi(
                "placement", "placement.wsgi.api", etc / "placement.conf"
            ),
            self._module("nova", "cloud_services.nova_all", "nova.conf"),
            self._module("cinder", "cloud_services.cinder_all", "cinder.conf"),
            self._network("neutron" in wanted),
        ]
        if "glance" in wanted:
            found.append(self._glance())
        if "swift" in wanted:
            found += self._swift()
        if "barbican" in wanted:
            conf = etc / ".barbican" / "barbican.conf"
            app = "cloud_services.barbican_app"
            lent_home = (("HOME", str(etc)),)
            found.append(
                dataclasses.replace(
                    self._wsgi("barbican", app, conf), environment=lent_home
                )
            )
        return found

    def _service(
        self, name: str, argv: tuple[str, ...], *files: pathlib.Path
    ) -> Service:
        code = sorted((CODE / "cloud_services").glob("*.py"))
        return Service(
            name,
            (self._python, "-m", *argv),
            self._settings.port(name),
            (*files, *code),
        )

    def _wsgi(
        self,
        name: str,
        module: str,
        *files: pathlib.Path,
        how: str = "threads",
    ) -> Service:
        port = str(self._settings.port(name))
        argv = ("cloud_services.wsgi_server", module, port, how)
        return self._service(name, argv, *files)

    def _module(self, name: str, module: str, conf: str) -> Service:
        path = self._layout.etc / conf
        return self._service(name, (module, str(path)), path)

    def _network(self, real: bool) -> Service:
        if not real:
            return self._wsgi("neutron", "cloud_services.empty_network")
        conf = self._layout.etc / "neutron.conf"
        app = "cloud_services.neutron_app"
        return self._wsgi("neutron", app, conf, how="green")

    def _glance(self) -> Service:
        conf = self._layout.etc / "glance-api.conf"
        argv = (
            "glance.cmd.api",
            "--config-file",
            str(conf),
        )
        return self._service("glance", argv, conf)

    def _swift(self) -> list[Service]:
        etc = self._layout.etc / "swift"
        found = []
        for kind in (*object_store.KINDS, "proxy"):
            name = "swift" if kind == "proxy" else f"swift-{kind}"
            argv = ("cloud_services.swift_server", str(etc), kind)
            conf = etc / f"{kind}-server.conf"
            found.append(self._service(name, argv, conf))
        return found
