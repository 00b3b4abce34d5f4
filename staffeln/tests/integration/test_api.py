# SPDX-License-Identifier: Apache-2.0
"""The API in front of a real Cinder: who can delete which backup."""

from __future__ import annotations

import contextlib
import http.client
import pathlib
import signal
import ssl
import subprocess
import sys
from collections.abc import Mapping

from openstack import connection, exceptions

from sandbox.scenery import wait_for
from staffeln.tests import certificates
from staffeln.tests.integration import base
from staffeln.tests.integration.proxy import Harm, Proxy
from staffeln.tests.integration.test_retention import AT_ONCE
from staffeln.tests.servers import process

FORBIDDEN = 403
NOT_ASKED = 500
"""What Cinder answers to a member when it cannot ask."""


class Api:
    """The ``staffeln-api`` of a deployment; waits until it is ready."""

    def __init__(
        self, made: base.Deployment, port: int, tls: ssl.SSLContext | None
    ) -> None:
        self._made = made
        self._port = port
        self._tls = tls
        self._process: subprocess.Popen[bytes] | None = None
        self.log_file = made.directory / "api.log"

    def start(self) -> None:
        """Start, and wait until it can tell one backup from another."""
        with (self._made.directory / "api.out").open("ab") as output:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "staffeln.cmd.api",
                    "--config-file",
                    str(self._made.configuration),
                    "--log-file",
                    str(self.log_file),
                ],
                env=self._made.environment,
                stdout=output,
                stderr=output,
            )
        wait_for("staffeln-api is ready", self._ready)

    def stop(self) -> None:
        """Ask it to end, and wait for that."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(60)
            self._process = None

    def _ready(self) -> bool:
        door = (
            http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
            if self._tls is None
            else http.client.HTTPSConnection(
                "127.0.0.1", self._port, timeout=10, context=self._tls
            )
        )
        with contextlib.closing(door), contextlib.suppress(OSError):
            door.request("GET", "/v1/health")
            return door.getresponse().status == http.HTTPStatus.OK
        return False


class ApiTest(base.IntegrationTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.port = process.free_port()
        self.addCleanup(self._cloud, "policy", "off")
        self.tenant = self.sandbox.project(self.key)

    def test_only_administrators_delete_managed_backups(self) -> None:
        made = self.deployment(api={"port": self.port})
        url = f"http://127.0.0.1:{self.port}"
        self._cloud("policy", "on", "--url", url)
        self._who_can_delete_what(made, None)

    def test_the_same_by_tls_with_a_client_certificate(self) -> None:
        folder = self.make_temp_dir()
        authority = certificates.Authority(folder, "authority")
        cinder = authority.sign("cinder")
        made = self.deployment(api=self._tls(authority))
        self._ask_by_tls(authority, *cinder)
        context = ssl.create_default_context(cafile=str(authority.file))
        context.load_cert_chain(*map(str, cinder))
        self._who_can_delete_what(made, context)

    def test_a_cinder_without_a_certificate_gets_no_answer(self) -> None:
        folder = self.make_temp_dir()
        authority = certificates.Authority(folder, "authority")
        made = self.deployment(api=self._tls(authority))
        made.start()
        self._protected_backup(made)
        context = ssl.create_default_context(cafile=str(authority.file))
        context.load_cert_chain(*map(str, authority.sign("test")))
        self._api(made, context)
        self._ask_by_tls(authority)
        self._refused(self._own_backup(), FORBIDDEN, NOT_ASKED)

    def test_staffeln_deletes_what_has_expired(self) -> None:
        made = self.deployment(api={"port": self.port})
        made.start()
        volume, backup = self._protected_backup(made)
        self._api(made)
        url = f"http://127.0.0.1:{self.port}"
        self._cloud("policy", "on", "--url", url)
        self._refused(backup, FORBIDDEN)
        made.stop()
        made.configure(
            {
                "conductor": {**AT_ONCE, "backup_metadata_key": self.key},
                "api": {"port": self.port},
            }
        )
        made.start()
        self.wait_until_gone(made, volume)

    def test_a_backup_is_protected_before_its_row_is_written(self) -> None:
        proxy = self.enterContext(Proxy())
        made = self.deployment(
            {"http_proxy": proxy.url, "no_proxy": ""},
            api={"port": self.port},
            openstack={"create_settle_time": "1min"},
            conductor={"absence_settle_time": "1min"},
        )
        url = f"http://127.0.0.1:{self.port}"
        self._cloud("policy", "on", "--url", url)
        # The answer is lost, and nobody can look for what was made.
        proxy.harm("POST", "/backups$", Harm.DROP_ANSWER)
        blind = proxy.harm("GET", "/backups/detail$", Harm.HANG, times=1000)
        volume = self.tenant.volume("disk", random_mebibytes=1)
        self.fault("--delay", "30", "--volume", volume)
        self.tenant.server("s", volume, metadata=self.tag)
        made.start()
        api = self._api(made)
        (backup,) = wait_for(
            "Cinder has a backup", lambda: self.backups_of(volume)
        )
        self.assertEqual("creating", backup["status"])
        self._refused(backup["id"], FORBIDDEN)
        self.heal()
        wait_for(
            "it is available",
            lambda: self.backups_of(volume)[0]["status"] == "available",
        )
        self._refused(backup["id"], FORBIDDEN)
        self.assertEqual([], made.show("backup", "list", "--volume", volume))
        proxy.heal(blind)
        self.wait_for_task(made, "succeeded", volume)
        (row,) = made.show("backup", "list", "--volume", volume)
        self.assertEqual(backup["id"], row["id"])
        self._refused(backup["id"], FORBIDDEN)
        self.assertNotIn("Traceback", api.log_file.read_text())

    # -- the scene ---------------------------------------------------------

    def _who_can_delete_what(
        self, made: base.Deployment, context: ssl.SSLContext | None
    ) -> None:
        made.start()
        volume, managed = self._protected_backup(made)
        first, second = self._own_backup(), self._own_backup()
        api = self._api(made, context)
        self._refused(managed, FORBIDDEN)
        api.stop()
        for backup_id in (managed, first):
            self._refused(backup_id, FORBIDDEN, NOT_ASKED)
        api.start()
        self._refused(managed, FORBIDDEN)
        self._deletes(self.tenant.connection, first)
        self._deletes(self.sandbox.admin, second)
        self._deletes(self.sandbox.admin, managed)
        self.assertEqual([], self.backups_of(volume))

    def _protected_backup(self, made: base.Deployment) -> tuple[str, str]:
        """A server's volume, and the backup that Staffeln made of it."""
        volume = self.tenant.volume("disk", random_mebibytes=1)
        self.tenant.server("s", volume, metadata=self.tag)
        (backup,) = self.wait_for_backups(volume, "full")
        self.wait_for_task(made, "succeeded", volume)
        return volume, str(backup["id"])

    def _own_backup(self) -> str:
        """A backup that the member makes."""
        storage = self.tenant.connection.block_storage
        volume = self.tenant.volume("own", random_mebibytes=1)
        backup_id = str(storage.create_backup(volume_id=volume).id)
        wait_for(
            f"the member's backup {backup_id}",
            lambda: storage.get_backup(backup_id).status == "available",
        )
        return backup_id

    def _api(
        self, made: base.Deployment, context: ssl.SSLContext | None = None
    ) -> Api:
        api = Api(made, self.port, context)
        self.addCleanup(api.stop)
        api.start()
        return api

    def _tls(self, authority: certificates.Authority) -> Mapping[str, object]:
        certificate, key = authority.sign("server")
        return {
            "port": self.port,
            "enabled_ssl": True,
            "ssl_cert_file": certificate,
            "ssl_key_file": key,
            "ssl_ca_file": authority.file,
        }

    def _ask_by_tls(
        self,
        authority: certificates.Authority,
        certificate: pathlib.Path | None = None,
        key: pathlib.Path | None = None,
    ) -> None:
        shown = [
            *(["--cert-file", str(certificate)] if certificate else []),
            *(["--key-file", str(key)] if key else []),
        ]
        url = f"https://127.0.0.1:{self.port}"
        trusted = ["--ca-file", str(authority.file)]
        self._cloud("policy", "on", "--url", url, *trusted, *shown)

    def _refused(self, backup_id: str, *statuses: int) -> None:
        """See that the member cannot delete a backup."""
        storage = self.tenant.connection.block_storage
        error = self.assertRaises(
            exceptions.HttpException,
            storage.delete_backup,
            backup_id,
            ignore_missing=False,
        )
        self.assertIn(error.status_code, statuses, str(error))
        found = storage.get_backup(backup_id)
        self.assertIn(found.status, ("creating", "available"))

    def _deletes(self, who: connection.Connection, backup_id: str) -> None:
        """See that somebody can delete a backup."""
        who.block_storage.delete_backup(backup_id, ignore_missing=False)
        wait_for(
            f"{backup_id} is gone",
            lambda: (
                backup_id
                not in {each["id"] for each in self.sandbox.backups()}
            ),
        )
