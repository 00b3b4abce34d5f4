# SPDX-License-Identifier: Apache-2.0
"""A simulated cloud as a process of its own, and the way to steer it."""

from __future__ import annotations

import http.client
import json
import os
import pathlib
import subprocess
import sys
import threading
import types
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from benchmarks.cloud.behaviour import Behaviour, Failure
from benchmarks.cloud.counters import Counts
from benchmarks.cloud.people import DOMAIN, SERVICE_PROJECT, SERVICE_USER
from benchmarks.cloud.scenery import Shape
from benchmarks.cloud.state import PASSWORD, REGION
from staffeln.cloud import settings

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_START_LIMIT = 60.0


class SimulatedError(Exception):
    """The cloud did not start, or it refused what it was told."""


class Simulated:
    """A cloud that runs within a ``with``, on a free port of loopback.

    :ivar shape: what is in it.
    :ivar url: scheme, host and port.
    """

    def __init__(
        self, shape: Shape | None = None, behaviour: Behaviour | None = None
    ) -> None:
        self.shape = shape or Shape()
        self.behaviour = behaviour or Behaviour()
        self.url = ""
        self._port = 0
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Simulated:
        """Start it, and wait until it answers.

        :raises SimulatedError: it does not.
        """
        try:
            self._start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _start(self) -> None:
        paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "benchmarks.cloud",
                "--shape-text",
                self.shape.to_text(),
                "--with-parent",
            ],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Who interrupts the terminal's programs means its parent.
            start_new_session=True,
            text=True,
        )
        assert self._process.stdout is not None
        first = self._process.stdout.readline().split()
        if not first:
            raise SimulatedError("the simulated cloud ended at once")
        self.url = first[-1]
        self._port = int(self.url.rpartition(":")[2])
        self._tell("behave", **self.behaviour.to_plain())

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: types.TracebackType | None,
    ) -> None:
        """Stop it."""
        if self._process is None:
            return
        process, self._process = self._process, None
        process.terminate()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.stdout.close()
        try:
            process.wait(_START_LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    # -- how it is reached -------------------------------------------------

    @property
    def auth_url(self) -> str:
        """Where tokens come from."""
        return f"{self.url}/identity"

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    def credentials(
        self,
        page_size: int = 1000,
        *,
        name: str = SERVICE_USER,
        project: str = SERVICE_PROJECT,
        **changes: Any,
    ) -> settings.CloudSettings:
        """What a door to it is opened with.

        :param name: the user's; by itself the service user, who is an
            administrator.
        :param project: its name.
        :param changes: of other fields of the settings.
        """
        known = settings.Credentials(
            auth_type="password",
            auth=self._auth(name, project),
            source="the simulated cloud",
            region=REGION,
        )
        return settings.CloudSettings(
            credentials=known, page_size=page_size, **changes
        )

    def _auth(self, name: str, project: str) -> dict[str, str]:
        return {
            "auth_url": self.auth_url,
            "username": name,
            "password": PASSWORD,
            "user_domain_id": DOMAIN,
            "project_name": project,
            "project_domain_id": DOMAIN,
        }

    def environment(self) -> dict[str, str]:
        """The variables by which OpenStack's clients find it."""
        return {
            "OS_AUTH_TYPE": "password",
            "OS_REGION_NAME": REGION,
            "OS_IDENTITY_API_VERSION": "3",
            **{
                f"OS_{name.upper()}": value
                for name, value in self._auth(
                    SERVICE_USER, SERVICE_PROJECT
                ).items()
            },
        }

    def write_clouds(self, path: pathlib.Path) -> str:
        """Write a clouds.yaml; the name of the cloud in it."""
        cloud = {
            "auth_type": "password",
            "auth": self._auth(SERVICE_USER, SERVICE_PROJECT),
            "region_name": REGION,
        }
        path.write_text(yaml.safe_dump({"clouds": {"simulated": cloud}}))
        return "simulated"

    # -- how it behaves, and what it was asked ------------------------------

    def behave(self, **changes: Any) -> None:
        """Change how it behaves, by fields of :class:`Behaviour`."""
        values = {**self.behaviour.to_plain(), **changes}
        if "failures" in changes:
            values["failures"] = [
                Behaviour(failures=(each,)).to_plain()["failures"][0]
                if isinstance(each, Failure)
                else each
                for each in changes["failures"]
            ]
        self.behaviour = Behaviour.from_plain(values)
        self._tell("behave", **self.behaviour.to_plain())

    def counts(self, *, reset: bool = False) -> Counts:
        """What was asked since the last reset."""
        return Counts.from_plain(self._tell("counts", reset=reset))

    def reset(self) -> None:
        """Count from nothing."""
        self._tell("counts", reset=True)

    def cost(self) -> Mapping[str, float]:
        """``cpu`` (seconds) and ``memory`` (MiB at most) of its process."""
        found: dict[str, float] = self._tell("cost")
        return found

    # -- what happens in it --------------------------------------------------

    def settle(
        self,
        backup_ids: Iterable[str] | None = None,
        *,
        status: str = "available",
    ) -> int:
        """Let Cinder end what it does with backups; how many those were.

        :param backup_ids: None: all that are creating or deleting.
        :param status: what those in the making become.
        """
        ids = None if backup_ids is None else list(backup_ids)
        found: int = self._tell("settle", backup_ids=ids, status=status)
        return found

    def revoke_tokens(self) -> None:
        """Let no token that was given be good any more."""
        self._tell("revoke_tokens")

    def add_project(
        self, name: str, *, role: bool = True, parent_id: str | None = None
    ) -> str:
        """A new project, with or without a role of the service user."""
        return str(
            self._tell(
                "add_project", name=name, role=role, parent_id=parent_id
            )
        )

    def add_user(
        self, name: str, email: str | None, *, enabled: bool = True
    ) -> str:
        """A new user without any role."""
        return str(
            self._tell("add_user", name=name, email=email, enabled=enabled)
        )

    def grant(
        self,
        user_id: str,
        place: str,
        place_id: str,
        role: str = "member",
        *,
        by_group: bool = False,
        inherited: bool = False,
    ) -> None:
        """Give somebody a role.

        :param place: ``projects`` or ``domains``.
        :param inherited: it counts in the projects below, not there.
        """
        self._tell(
            "grant",
            user_id=user_id,
            place=place,
            place_id=place_id,
            role=role,
            by_group=by_group,
            inherited=inherited,
        )

    def add_volume(self, project_id: str, name: str, size: int = 1) -> str:
        """A new volume, available; its id."""
        return str(
            self._tell(
                "add_volume", project_id=project_id, name=name, size=size
            )
        )

    def add_server(
        self,
        project_id: str,
        name: str,
        volume_ids: Iterable[str] = (),
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        """A new server with volumes, which are in use then; its id."""
        return str(
            self._tell(
                "add_server",
                project_id=project_id,
                name=name,
                volume_ids=list(volume_ids),
                metadata=dict(metadata or {}),
            )
        )

    def change_volume(self, volume_id: str, status: str) -> None:
        """Give a volume another status."""
        self._tell("change_volume", volume_id=volume_id, status=status)

    def remove_volume(self, volume_id: str) -> None:
        """Let a volume be gone."""
        self._tell("remove_volume", volume_id=volume_id)

    def set_quota(
        self, project_id: str, *, backups: int = -1, gigabytes: int = -1
    ) -> None:
        """Limit a project's backups; -1: no limit."""
        self._tell(
            "set_quota",
            project_id=project_id,
            backups=backups,
            gigabytes=gigabytes,
        )

    def _tell(self, verb: str, **values: Any) -> Any:
        """:raises SimulatedError: it refuses, with its words."""
        with self._lock:
            connection = http.client.HTTPConnection(
                "127.0.0.1", self._port, timeout=_START_LIMIT
            )
            try:
                connection.request(
                    "POST",
                    f"/control/{verb}",
                    json.dumps(values),
                    {"Content-Type": "application/json"},
                )
                answer = connection.getresponse()
                body = json.loads(answer.read())
            finally:
                connection.close()
        if answer.status != 200:
            raise SimulatedError(f"{verb}: {body}")
        return body["result"]
