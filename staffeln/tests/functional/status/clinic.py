# SPDX-License-Identifier: Apache-2.0
"""A deployment in good health, of real servers as far as they are cheap.

Keystone, Nova and Cinder are the simulated ones over HTTP; staffeln-api, the
mail server, kube-apiserver and the database are real. No conductor runs: what
it would have written is in the database.
"""

from __future__ import annotations

import contextlib
import io
import json
import ssl
import uuid
from collections.abc import Collection, Sequence
from typing import Any

import fixtures

from benchmarks.cloud import Shape, Simulated
from benchmarks.cloud.people import DOMAIN, SERVICE_PROJECT, SERVICE_USER
from benchmarks.cloud.state import PASSWORD, REGION
from staffeln import leadership
from staffeln.cloud import openstack
from staffeln.cmd import cli
from staffeln.db import session
from staffeln.db.store import SqlStore
from staffeln.tests import base, certificates
from staffeln.tests.functional.api import live
from staffeln.tests.functional.db import databases
from staffeln.tests.functional.notify import mailroom
from staffeln.tests.servers import kubernetes
from staffeln.tests.unit.domain import samples
from staffeln.workflow import binding

SHAPE = Shape(servers=4, volumes=5, projects=2, backup_services=2, chain=1)
TAG = {"__staffeln_backup": "true"}
LIMIT = 20.0
"""Seconds for each check, where nothing hangs."""

Found = dict[str, Any]
"""The JSON of an examination, its checks by name."""


class Clinic(base.TestCase):
    """A healthy deployment; ``only_bad`` says what a fault did to it."""

    shape = SHAPE
    alive = True
    """Whether its conductor gives signs of life."""

    def setUp(self) -> None:
        super().setUp()
        self.simulated = Simulated(self.shape)
        self.simulated.__enter__()
        self.addCleanup(self.simulated.__exit__, None, None, None)
        self.folder = self.make_temp_dir()
        self.folder.chmod(0o755)
        self.options: dict[str, dict[str, object]] = {}
        self._prepare_mail()
        self._prepare_lease()
        self.api = live.Api(self.folder, self.new_url())
        self.addCleanup(self._end_api)
        self._prepare_options()
        self.configure()
        self.store = SqlStore(self._connect())
        self.cloud = openstack.OpenStackCloud(self.simulated.credentials())
        self._forget_binding()
        self.deployment, _ = binding.prove(self.cloud, self.store)
        self._fill()
        self.api.start()
        self.healthy = self.examine()

    def new_url(self) -> str | None:
        """Of an empty database; None: a file."""
        return None

    # -- what it is made of ------------------------------------------------

    def _prepare_mail(self) -> None:
        authority = certificates.Authority(self.folder, "authority")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*map(str, authority.sign("mail")))
        self.mail = self.useFixture(
            mailroom.MailServer(starttls=context, with_login=True)
        )
        self.options["notification"] = {
            "sender_email": mailroom.SENDER,
            "smtp_server_domain": "127.0.0.1",
            "smtp_server_port": self.mail.port,
            "smtp_ca_file": authority.file,
            "smtp_login": mailroom.LOGIN,
            "sender_pwd": mailroom.PASSWORD,
        }

    def _prepare_lease(self) -> None:
        self.kubernetes = kubernetes.shared()
        self.namespace = self.kubernetes.make_namespace()
        self.options["coordination"] = {
            "kubeconfig": self.kubernetes.kubeconfig(
                self.folder / "kubeconfig", self.namespace
            )
        }

    def _prepare_options(self) -> None:
        self.options["DEFAULT"] = {
            "state_path": self.folder,
            "log_file": self.api.log_file,
        }
        of_database = self.options.setdefault("database", {})
        of_database["connection"] = self.api.url
        self.options["conductor"] = {
            "backup_metadata_key": "__staffeln_backup",
            "backup_min_interval": 86400,
        }
        self.options["api"] = {"port": self.api.port, "workers": 1}
        self.options["openstack"] = {
            "auth_type": "password",
            "auth_url": self.simulated.auth_url,
            "username": SERVICE_USER,
            "password": PASSWORD,
            "user_domain_id": DOMAIN,
            "project_name": SERVICE_PROJECT,
            "project_domain_id": DOMAIN,
            "region_name": REGION,
        }

    def configure(self, **changes: dict[str, object]) -> None:
        """Write the configuration, with changes by group."""
        self.api.configure(workers=1)
        self.path = self.folder / "staffeln.conf"
        lines = []
        for group, values in self.options.items():
            lines.append(f"[{group}]")
            merged = {**values, **changes.pop(group, {})}
            lines += [f"{name} = {value}" for name, value in merged.items()]
        for group, values in changes.items():
            lines.append(f"[{group}]")
            lines += [f"{name} = {value}" for name, value in values.items()]
        self.path.write_text("\n".join(lines) + "\n")
        self.path.chmod(0o600)

    def _connect(self) -> session.Database:
        database = session.connect(databases.configuration(self.api.url))
        self.addCleanup(database.close)
        return database

    def _forget_binding(self) -> None:
        with self.store._database.engine.begin() as connection:
            connection.exec_driver_sql(
                "UPDATE deployment SET auth_url = NULL, region = NULL, "
                "block_storage_url = NULL, user_id = NULL"
            )

    def _fill(self) -> None:
        """As after a cycle in which all was well."""
        for number in self.shape.selected_volumes:
            project = self.shape.project_of_volume(number)
            self.keep(
                self.shape.volume_id(number), self.shape.project_id(project)
            )
        now = self.store.now()
        backend = leadership.description(
            leadership.Settings(
                kubeconfig=str(self.options["coordination"]["kubeconfig"])
            )
        )
        self.conductor = str(uuid.uuid4())
        self.store.register_conductor(self.conductor, "host", 1, backend)
        term = self.store.take_office(self.conductor)
        self.store.note_cycle(
            term,
            samples.cycle(
                ended_at=now,
                term=term,
                selected=len(self.shape.selected_volumes),
            ),
        )
        self.store.note_retention(term, now)

    def keep(self, volume_id: str, project_id: str) -> str:
        """Write the row of a backup that was made a moment ago; its id."""
        now = self.store.now()
        made = samples.backup(
            str(uuid.uuid4()),
            volume_id=volume_id,
            project_id=project_id,
            created_at=now,
            completed_at=now,
        )
        self.store.keep_backup(made)
        return made.id

    def _end_api(self) -> None:
        # A test may have ended it, and read all that it said.
        with contextlib.suppress(ValueError):
            self.api.kill()

    # -- looking at it -----------------------------------------------------

    def run_doctor(self, *arguments: str) -> tuple[int, str, str]:
        """As an operator does: exit code, output, errors."""
        if self.alive:
            self.store.heartbeat(self.conductor)
        out, err = io.StringIO(), io.StringIO()
        with (
            fixtures.MonkeyPatch("sys.stdout", out),
            fixtures.MonkeyPatch("sys.stderr", err),
        ):
            code = cli.main(
                ["--config-file", str(self.path), "doctor", *arguments]
            )
        return code, out.getvalue(), err.getvalue()

    def examine(self, *arguments: str, limit: float = LIMIT) -> Found:
        """Everything that is found."""
        code, out, err = self.run_doctor(
            "--json", "--timeout", str(limit), *arguments
        )
        self.assertEqual("", err)
        found: Found = json.loads(out)
        self.assertEqual(code, found["exit_code"])
        for secret in (PASSWORD, mailroom.PASSWORD):
            self.assertNotIn(secret, out)
        found["checks"] = {each["check"]: each for each in found["checks"]}
        return found

    def only_bad(
        self,
        name: str,
        kind: str,
        result: str = "error",
        held: Collection[str] = (),
        unknown: Collection[str] = (),
        arguments: Sequence[str] = (),
        limit: float = LIMIT,
    ) -> dict[str, Any]:
        """That exactly one check found something; its first finding.

        :param held: those that cannot be made without it, and say so.
        :param unknown: those that can be made in part only.
        """
        before, found = self.healthy, self.examine(*arguments, limit=limit)
        for other, was in before["checks"].items():
            now = found["checks"][other]
            if other in held:
                self.assertEqual("not-checked", now["result"], now)
                (why,) = now["findings"]
                self.assertEqual("needs-another", why["kind"], now)
                self.assertEqual({"check": name}, why["where"])
            elif other in unknown:
                self.assertEqual("not-checked", now["result"], now)
            elif other != name:
                self.assertEqual(kinds(was), kinds(now), now)
        bad = found["checks"][name]
        first: dict[str, Any] = bad["findings"][0]
        self.assertEqual((result, kind), (bad["result"], first["kind"]), bad)
        self.assertEqual(2 if result == "error" else 1, found["exit_code"])
        self.assertNotEqual("", first["what_to_do"])
        return first


def kinds(checked: Any) -> list[tuple[str, str]]:
    """What a check found, without the words."""
    return [(each["result"], each["kind"]) for each in checked["findings"]]
