# SPDX-License-Identifier: Apache-2.0
"""The doctor on a real cloud: one fault at a time, and none afterwards."""

from __future__ import annotations

import contextlib
import json
import re
import ssl
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import fixtures
from openstack.identity.v3 import _proxy as identity_proxy

from staffeln import conf, ports
from staffeln.domain import findings, model
from staffeln.tests import certificates
from staffeln.tests.functional.notify import mailroom
from staffeln.tests.integration import base
from staffeln.tests.integration.test_api import Api
from staffeln.tests.servers import process
from staffeln.wiring import doors

Plant = Callable[[], contextlib.AbstractContextManager[None]]


class Fault(NamedTuple):
    """Something that is wrong while its context lasts."""

    plant: Plant
    kind: str
    checks: tuple[str, ...]
    """Those that tell of it; others may only say that they need these."""
    result: str = "error"


class DoctorTest(base.IntegrationTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.port = process.free_port()
        self.made = self._deployment(None)
        # No domain gives the service user its role there.
        self.tenant = self.sandbox.project(self.key, service_role=False)
        self._role("assign")
        self.volume = self.tenant.volume("disk", random_mebibytes=1)
        self.tenant.server("s", self.volume, metadata=self.tag)
        self.made.start()
        (self.backup,) = self.wait_for_backups(self.volume, "full")
        self.wait_for_task(self.made, "succeeded", self.volume)
        self.wait_for_log(self.made, "Harvest complete", times=2)
        self.api = Api(self.made, self.port, None)
        self.addCleanup(self.api.stop)
        self.api.start()
        self.looking = self.made
        """By whose configuration and in whose environment it looks."""

    def _deployment(
        self,
        beside: base.Deployment | None,
        environment: dict[str, str] | None = None,
        **groups: dict[str, Any],
    ) -> base.Deployment:
        options: dict[str, Any] = {
            "api": {"port": self.port},
            "conductor": {
                "backup_metadata_key": self.key,
                # Between its tries a volume has none under way.
                "failure_backoff": "1h",
            },
            **groups,
        }
        return self.deployment(environment, beside, **options)

    def test_faults_of_a_real_cloud(self) -> None:
        self._all_is_well()
        for fault in (
            Fault(self._wrong_password, "failed", ("keystone",)),
            Fault(self._wrong_region, "failed", ("nova", "cinder")),
            Fault(partial(self._stopped, "nova"), "failed", ("nova",)),
            Fault(partial(self._stopped, "cinder"), "failed", ("cinder",)),
            Fault(
                self._service_disabled,
                "backup-service-disabled",
                ("backup-services",),
            ),
            Fault(self._without_role, "no-role", ("roles",)),
            Fault(self._no_quota, "quota-used-up", ("quotas",)),
            Fault(
                self._unprotected,
                "never-protected",
                ("protection",),
                "warning",
            ),
            Fault(self._orphan, "orphan", ("orphans",), "warning"),
            Fault(
                self._misspelt_key,
                "nothing-selected",
                ("selection",),
                "warning",
            ),
            Fault(self._old_schema, "failed", ("schema",)),
            Fault(self._no_lock_service, "failed", ("coordination",)),
            Fault(self._conductor_stopped, "no-conductor", ("conductors",)),
            Fault(self._paused, "paused", ("brakes",), "warning"),
            Fault(self._api_stopped, "failed", ("policy",)),
            Fault(self._login_refused, "failed", ("mail",)),
        ):
            with fault.plant():
                self._only(fault)
        # Each of them saw that those before it were mended.
        self._all_is_well()

    # -- what it finds -------------------------------------------------------

    def _all_is_well(self) -> None:
        found = self._examine()
        bad = {k: each for k, each in found.items() if each["result"] != "ok"}
        self.assertEqual({}, bad)

    def _only(self, fault: Fault) -> None:
        bad = {
            name: each
            for name, each in self._examine().items()
            if each["result"] != "ok" and not _waits_for(each, fault.checks)
        }
        told = {
            name: {(one["kind"], one["result"]) for one in each["findings"]}
            for name, each in bad.items()
        }
        wanted = {name: {(fault.kind, fault.result)} for name in fault.checks}
        self.assertEqual(wanted, told, str(bad))

    def _examine(self) -> dict[str, Any]:
        done = self.looking.run("cli", "doctor", "--json")
        self.assertEqual("", done.stderr)
        found = json.loads(done.stdout)
        self.assertEqual(found["exit_code"], done.returncode)
        return {each["check"]: each for each in found["checks"]}

    @contextlib.contextmanager
    def _by(
        self,
        environment: dict[str, str] | None = None,
        **groups: dict[str, Any],
    ) -> Iterator[base.Deployment]:
        """Look from another host of the deployment, so to say."""
        self.looking = self._deployment(self.made, environment, **groups)
        yield self.looking
        self.looking = self.made

    # -- faults of the credentials and the cloud -----------------------------

    @contextlib.contextmanager
    def _wrong_password(self) -> Iterator[None]:
        with self._credentials("password", "not-the-password"):
            yield

    @contextlib.contextmanager
    def _wrong_region(self) -> Iterator[None]:
        with self._credentials("region_name", "RegionTwo"):
            yield

    @contextlib.contextmanager
    def _credentials(self, name: str, value: str) -> Iterator[None]:
        """A copy of them in which each ``name`` has another value."""
        text = self.sandbox.clouds_file.read_text()
        changed, count = re.subn(rf"(?<= {name}: ).*", value, text)
        self.assertGreater(count, 0)
        path = self.make_temp_dir() / "clouds.yaml"
        path.write_text(changed)
        path.chmod(0o600)
        with self._by({"OS_CLIENT_CONFIG_FILE": str(path)}):
            yield

    @contextlib.contextmanager
    def _stopped(self, service: str) -> Iterator[None]:
        self._cloud("stop", service)
        try:
            yield
        finally:
            # Other tests need it as well, whatever comes of this one.
            self._cloud("start", service)

    @contextlib.contextmanager
    def _service_disabled(self) -> Iterator[None]:
        self._set_services("disable")
        try:
            yield
        finally:
            self._set_services("enable")

    def _set_services(self, verb: str) -> None:
        storage = self.sandbox.admin.block_storage
        asked = {"binary": "cinder-backup"}
        listed = storage.get("/os-services", params=asked).json()
        for each in listed["services"]:
            storage.put(
                f"/os-services/{verb}", json={**asked, "host": each["host"]}
            ).raise_for_status()

    # -- faults of a project, a volume and a backup --------------------------

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
    def _unprotected(self) -> Iterator[None]:
        """A new volume whose first backup fails."""
        volume = self.tenant.volume("broken")
        self.fault("--fail", "disk on fire", "--volume", volume)
        server = self.tenant.server("broken", volume, metadata=self.tag)
        self.wait_for_task(self.made, "failed", volume)
        yield
        self.heal()
        self.tenant.connection.compute.delete_server_metadata(
            server, [self.key]
        )

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

    # -- faults of the deployment itself -------------------------------------

    @contextlib.contextmanager
    def _misspelt_key(self) -> Iterator[None]:
        with self._by(conductor={"backup_metadata_key": f"{self.key}s"}):
            yield

    @contextlib.contextmanager
    def _old_schema(self) -> Iterator[None]:
        """As when new code meets a database that nobody upgraded."""
        with contextlib.closing(self.made.connect()) as database:
            (head,) = database.execute(
                "SELECT version_num FROM alembic_version"
            ).fetchone()
        self._set_schema(_OLDER_SCHEMA)
        yield
        self._set_schema(head)

    def _set_schema(self, revision: str) -> None:
        with contextlib.closing(self.made.connect()) as database, database:
            database.execute(
                "UPDATE alembic_version SET version_num = ?", (revision,)
            )

    @contextlib.contextmanager
    def _no_lock_service(self) -> Iterator[None]:
        url = f"etcd3+http://127.0.0.1:{process.free_port()}"
        with self._by(coordination={"backend_url": url}):
            yield

    @contextlib.contextmanager
    def _conductor_stopped(self) -> Iterator[None]:
        self.made.stop()
        yield
        self.made.start()
        self.wait_until(
            "a conductor is alive",
            lambda: self.made.show("conductor", "list"),
        )

    @contextlib.contextmanager
    def _paused(self) -> Iterator[None]:
        self.made.show("pause", "deletes")
        yield
        self.made.show("resume", "deletes")

    @contextlib.contextmanager
    def _api_stopped(self) -> Iterator[None]:
        self.api.stop()
        yield
        self.api.start()

    @contextlib.contextmanager
    def _login_refused(self) -> Iterator[None]:
        authority = certificates.Authority(self.make_temp_dir(), "mail")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*authority.sign("server"))
        server = self.useFixture(
            mailroom.MailServer(starttls=context, with_login=True)
        )
        options = {
            "sender_email": mailroom.SENDER,
            "sender_pwd": "not-the-password",
            "smtp_login": mailroom.LOGIN,
            "smtp_server_domain": "127.0.0.1",
            "smtp_server_port": server.port,
            "smtp_ca_file": authority.file,
        }
        with self._by(notification=options) as looking:
            looking.configuration.chmod(0o600)
            yield


_TO = {"assign": "to", "unassign": "from"}

_OLDER_SCHEMA = "a4d18c6e2b97"


def _waits_for(checked: dict[str, Any], checks: tuple[str, ...]) -> bool:
    """Whether a check only says that one of these has to be mended first.

    Cinder's clock is unknown where Cinder cannot be asked.
    """
    return all(
        (one["kind"] == findings.HELD and one["where"]["check"] in checks)
        or (
            one["kind"] == "clock-unread"
            and not {"keystone", "cinder"}.isdisjoint(checks)
        )
        for one in checked["findings"]
    )
