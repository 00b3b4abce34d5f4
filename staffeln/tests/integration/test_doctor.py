# SPDX-License-Identifier: Apache-2.0
"""The doctor on a real cloud: one fault at a time, and none afterwards."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import fixtures
from openstack.identity.v3 import _proxy as identity_proxy

from staffeln import conf, ports
from staffeln.domain import model
from staffeln.tests.integration import base
from staffeln.tests.integration.test_api import Api
from staffeln.tests.servers import process
from staffeln.wiring import doors


class DoctorTest(base.IntegrationTestCase):
    def setUp(self) -> None:
        super().setUp()
        port = process.free_port()
        self.made = self.deployment(api={"port": port})
        # No domain gives the service user its role there.
        self.tenant = self.sandbox.project(self.key, service_role=False)
        self._role("assign")
        self.volume = self.tenant.volume("disk", random_mebibytes=1)
        self.tenant.server("s", self.volume, metadata=self.tag)
        self.made.start()
        (self.backup,) = self.wait_for_backups(self.volume, "full")
        self.wait_for_task(self.made, "succeeded", self.volume)
        self.wait_for_log(self.made, "Harvest complete", times=2)
        self.api = Api(self.made, port, None)
        self.addCleanup(self.api.stop)
        self.api.start()

    def test_faults_of_a_real_cloud(self) -> None:
        healthy = self._examine()
        self.assertEqual(
            {"ok"}, {each["result"] for each in healthy.values()}, str(healthy)
        )
        for fault, check, kind in (
            (self._without_role, "roles", "no-role"),
            (self._service_disabled, "backup-services", None),
            (self._no_quota, "quotas", "quota-used-up"),
            (self._api_stopped, "policy", "failed"),
            (self._cinder_stopped, "cinder", "failed"),
            (self._orphan, "orphans", "orphan"),
        ):
            with fault():
                found = self._examine()
            bad = {
                name: each
                for name, each in found.items()
                if each["result"] != "ok" and not _is_held(each, check)
            }
            if check == "cinder":
                del bad["clocks"]  # nobody knows what Cinder's says
            self.assertEqual({check}, set(bad), str(bad))
            if kind:
                self.assertEqual(kind, bad[check]["findings"][0]["kind"])

    def _examine(self) -> dict[str, Any]:
        done = self.made.run("cli", "doctor", "--json")
        self.assertEqual("", done.stderr)
        found = json.loads(done.stdout)
        self.assertEqual(found["exit_code"], done.returncode)
        return {each["check"]: each for each in found["checks"]}

    # -- faults --------------------------------------------------------------

    @contextlib.contextmanager
    def _without_role(self) -> Iterator[None]:
        self._role("unassign")
        yield
        self._role("assign")

    def _role(self, verb: str) -> None:
        """Give the service user its role in the project, or take it."""
        identity = self.sandbox.admin.identity
        assert isinstance(identity, identity_proxy.Proxy)
        user = identity.find_user("staffeln", ignore_missing=False)
        role = identity.find_role("member", ignore_missing=False)
        getattr(identity, f"{verb}_project_role_{_TO[verb]}_user")(
            self.tenant.id, user, role
        )

    @contextlib.contextmanager
    def _service_disabled(self) -> Iterator[None]:
        self._set_services("disable")
        yield
        self._set_services("enable")

    def _set_services(self, verb: str) -> None:
        storage = self.sandbox.admin.block_storage
        asked = {"binary": "cinder-backup"}
        listed = storage.get("/os-services", params=asked).json()
        for each in listed["services"]:
            storage.put(
                f"/os-services/{verb}", json={**asked, "host": each["host"]}
            ).raise_for_status()

    @contextlib.contextmanager
    def _no_quota(self) -> Iterator[None]:
        self._set_quota(1)
        yield
        self._set_quota(10)

    def _set_quota(self, backups: int) -> None:
        self.sandbox.admin.block_storage.put(
            f"/os-quota-sets/{self.tenant.id}",
            json={"quota_set": {"backups": backups}},
        ).raise_for_status()

    @contextlib.contextmanager
    def _api_stopped(self) -> Iterator[None]:
        self.api.stop()
        yield
        self.api.start()

    @contextlib.contextmanager
    def _cinder_stopped(self) -> Iterator[None]:
        self._cloud("stop", "cinder")
        yield
        self._cloud("start", "cinder")

    @contextlib.contextmanager
    def _orphan(self) -> Iterator[None]:
        """As when a database is restored that does not know of it yet."""
        with self.made.connect() as database:
            (uuid,) = database.execute(
                "SELECT uuid FROM deployment"
            ).fetchone()
        made = self._door().create_backup(
            model.BackupRequest(
                project_id=self.tenant.id,
                volume_id=self.volume,
                name="orphan",
                incremental=False,
                force=True,
                metadata={"staffeln_deployment": uuid},
            )
        )
        self.wait_for_backups(self.volume, "full", "full")
        yield
        self.sandbox.admin.block_storage.delete_backup(made)

    def _door(self) -> ports.Cloud:
        self.useFixture(
            fixtures.EnvironmentVariable(
                "OS_CLIENT_CONFIG_FILE", str(self.sandbox.clouds_file)
            )
        )
        read = conf.load(
            ["--config-file", str(self.made.configuration)], prog="test"
        )
        return doors.cloud(read)


_TO = {"assign": "to", "unassign": "from"}


def _is_held(checked: dict[str, Any], by: str) -> bool:
    """Whether a check only says that it waits for another one."""
    return bool(
        [each["where"] for each in checked["findings"]] == [{"check": by}]
    )
