# SPDX-License-Identifier: Apache-2.0
"""One fault at a time: exactly its check is bad, all others stay."""

from __future__ import annotations

import http.server
import signal
import socket
import sqlite3
import threading
import time
import uuid

from cryptography.hazmat.primitives import serialization

from benchmarks.cloud import Failure
from staffeln.domain import model, task
from staffeln.domain.findings import CHECKS
from staffeln.tests import certificates
from staffeln.tests.functional.notify import mailroom
from staffeln.tests.functional.status import clinic
from staffeln.tests.servers import kubernetes, process

OF_CLOUD = {
    "nova",
    "cinder",
    "backup-services",
    "deployment",
    "selection",
    "roles",
    "quotas",
    "protection",
    "orphans",
}
OF_NOVA = {"selection", "roles", "quotas", "protection"}
OF_SCHEMA = {
    "deployment",
    "clocks",
    "conductors",
    "rounds",
    "brakes",
    "rights",
    "protection",
    "orphans",
    "policy",
}
SHORT = 3.0
"""Seconds for each check, where one hangs."""


class HealthyTest(clinic.Clinic):
    def test_all_is_well(self) -> None:
        self.assertEqual("ok", self.healthy["result"], str(self.healthy))
        self.assertEqual(set(CHECKS), set(self.healthy["checks"]))

    def test_nothing_is_changed(self) -> None:
        def seen() -> object:
            with sqlite3.connect(self.folder / "staffeln.sqlite") as database:
                return "\n".join(
                    each
                    for each in database.iterdump()
                    if "conductors" not in each
                )

        before = seen()
        self.simulated.reset()
        self.examine()
        self.assertEqual(before, seen())
        self.assertEqual([], self.mail.received)
        asked = {call[1:3] for call in self.simulated.counts().calls}
        changing = {each for each in asked if each[0] != "GET"}
        self.assertEqual({("POST", "/auth/tokens")}, changing)
        lease = self.kubernetes.requests(self.namespace)
        self.assertEqual({"get"}, {verb for _, verb in lease})


class CloudFaultTest(clinic.Clinic):
    def test_a_wrong_password(self) -> None:
        self.configure(openstack={"password": "not-the-password"})
        found = self.only_bad(
            "keystone", "failed", held=OF_CLOUD, unknown={"clocks"}
        )
        self.assertIn("401", found["what"])

    def test_a_nova_that_hangs(self) -> None:
        self.simulated.behave(
            failures=[Failure(how="silence", service="compute")]
        )
        began = time.monotonic()
        found = self.only_bad("nova", "failed", held=OF_NOVA, limit=SHORT)
        self.assertIn("no answer", found["what"])
        # Not even its threads hold the command up.
        self.assertLess(time.monotonic() - began, 10 * SHORT)

    def test_a_nova_that_fails(self) -> None:
        self.simulated.behave(failures=[Failure(how="503", service="compute")])
        found = self.only_bad("nova", "failed", held=OF_NOVA)
        self.assertIn("503", found["what"])

    def test_no_administrator(self) -> None:
        project = self.simulated.add_project("small")
        user = self.simulated.add_user("small", None)
        self.simulated.grant(user, "projects", project)
        self.configure(
            openstack={"username": "small", "project_name": "small"}
        )
        found = self.examine()["checks"]
        for name in ("nova", "cinder"):
            self.assertEqual("error", found[name]["result"])
            self.assertIn("administrator", found[name]["findings"][0]["what"])
        self.assertEqual("ok", found["keystone"]["result"])

    def test_a_nova_that_shows_lists_and_no_server(self) -> None:
        hidden = Failure(how="404", service="compute", path="/servers/{id}")
        self.simulated.behave(failures=(hidden,))
        found = self.examine()["checks"]["nova"]
        self.assertEqual("error", found["result"])

    def test_no_backup_service_is_up(self) -> None:
        self.simulated.behave(services_up=0)
        found = self.only_bad("backup-services", "backup-service-down")
        self.assertIn("nobody is left", found["what"])
        self.assertIn("host", found["where"])

    def test_one_backup_service_is_down(self) -> None:
        self.simulated.behave(services_up=1)
        self.only_bad("backup-services", "backup-service-down", "warning")

    def test_no_role_in_a_project_with_a_selected_volume(self) -> None:
        project = self.simulated.add_project("theirs", role=False)
        volume = self.simulated.add_volume(project, "v")
        self.simulated.add_server(project, "s", [volume], clinic.TAG)
        self.keep(volume, project)
        found = self.only_bad("roles", "no-role")
        self.assertEqual({"project_id": project}, found["where"])
        self.assertIn(f"--project {project}", found["what_to_do"])

    def test_no_role_in_a_project_with_managed_backups_alone(self) -> None:
        project = self.simulated.add_project("theirs", role=False)
        self.keep(str(uuid.uuid4()), project)
        found = self.only_bad("roles", "no-role", "warning")
        self.assertIn("managed backups", found["what"])

    def test_a_quota_of_nothing(self) -> None:
        project = self.shape.project_id(0)
        self.simulated.set_quota(project, backups=0)
        found = self.only_bad("quotas", "quota-used-up")
        self.assertIn(project, found["what"])

    def test_a_volume_that_was_never_protected(self) -> None:
        project = self.shape.project_id(0)
        volume = self.simulated.add_volume(project, "new")
        self.simulated.add_server(project, "s", [volume], clinic.TAG)
        found = self.only_bad("protection", "never-protected", "warning")
        self.assertEqual(volume, found["where"]["volume_id"])

    def test_a_backup_of_ours_without_a_row(self) -> None:
        number = self.shape.selected_volumes[0]
        made = self.cloud.create_backup(
            model.BackupRequest(
                project_id=self.shape.project_id(
                    self.shape.project_of_volume(number)
                ),
                volume_id=self.shape.volume_id(number),
                name="b",
                incremental=False,
                force=True,
                metadata={"staffeln_deployment": self.deployment.uuid},
            )
        )
        self.simulated.settle([made])
        found = self.only_bad("orphans", "orphan", "warning")
        self.assertEqual(made, found["where"]["backup_id"])

    def test_clocks_that_are_apart(self) -> None:
        self.simulated.behave(clock_ahead=1200.0)
        self.only_bad("clocks", "clocks-apart")

    def test_a_key_that_selects_nothing(self) -> None:
        self.configure(conductor={"backup_metadata_key": "backpu"})
        found = self.only_bad("selection", "nothing-selected", "warning")
        self.assertIn("backpu", found["what"])


class HostFaultTest(clinic.Clinic):
    def test_a_configuration_that_others_can_read(self) -> None:
        self.path.chmod(0o644)
        found = self.only_bad("files", "open-to-others", "warning")
        self.assertIn(str(self.path), found["what"])

    def test_a_wrong_value(self) -> None:
        self.configure(conductor={"full_backup_depth": "many"})
        found = self.examine()["checks"]
        self.assertIn(
            "full_backup_depth", found["configuration"]["findings"][0]["what"]
        )
        for name, was in self.healthy["checks"].items():
            if name != "configuration":
                self.assertIn(
                    found[name]["result"], (was["result"], "not-checked")
                )
        for name in ("keystone", "nova", "cinder", "mail", "policy", "schema"):
            self.assertEqual("ok", found[name]["result"], name)

    def test_a_misspelt_option(self) -> None:
        self.configure(conductor={"backup_min_intervall": 1})
        found = self.only_bad("configuration", "unknown-option", "warning")
        self.assertIn("backup_min_intervall", found["what"])

    def test_an_account_without_rights_on_the_lease(self) -> None:
        poor = self.kubernetes.kubeconfig(
            self.folder / "poor", self.namespace, kubernetes.POOR
        )
        self.configure(coordination={"kubeconfig": poor})
        found = self.only_bad("coordination", "no-lease-rights")
        self.assertEqual("get,create,update", found["where"]["verbs"])

    def test_a_refused_login(self) -> None:
        self.configure(notification={"sender_pwd": "wrong-word"})
        found = self.only_bad("mail", "failed")
        self.assertIn("login is refused", found["what"])
        self.assertNotIn("wrong-word", str(found))

    def test_a_mail_server_that_hangs(self) -> None:
        silent = self.enterContext(socket.create_server(("127.0.0.1", 0)))
        port = silent.getsockname()[1]
        self.configure(notification={"smtp_server_port": port})
        found = self.only_bad("mail", "failed", limit=SHORT)
        self.assertIn("no answer", found["what"])

    def test_a_mail_server_without_starttls(self) -> None:
        plain = self.useFixture(mailroom.MailServer())
        self.configure(notification={"smtp_server_port": plain.port})
        found = self.only_bad("mail", "failed")
        self.assertIn("STARTTLS", found["what"])


class PolicyFaultTest(clinic.Clinic):
    def test_staffeln_api_is_stopped(self) -> None:
        self.api.tell(signal.SIGTERM)
        self.api.wait()
        found = self.only_bad("policy", "failed")
        self.assertIn("Connection refused", found["what"])

    def test_something_else_answers(self) -> None:
        for status, text, kind in (
            (200, "True", "allows-managed"),
            (200, "", "refuses-all"),
            (403, "no", "refuses-all"),
            (200, "False", "refuses-all"),
        ):
            with self.subTest(status=status, text=text):
                url = self._stranger(status, text)
                self.only_bad("policy", kind, arguments=("--policy-url", url))

    def test_a_certificate_that_is_not_shown(self) -> None:
        self.api.tell(signal.SIGTERM)
        self.api.wait()
        authority = certificates.Authority(self.folder, "clients")
        server, client = authority.sign("api"), authority.sign("doctor")
        for _, key in (server, client):
            key.chmod(0o600)
        options = {
            "enabled_ssl": "true",
            "ssl_cert_file": server[0],
            "ssl_key_file": server[1],
            "ssl_ca_file": authority.file,
        }
        self.configure(api=options)
        self.api.log_file.unlink()
        self.api.start()
        said = self.only_bad("policy", "failed")["what"]
        self.assertNotIn("Connection refused", said)
        both = self.folder / "both.pem"
        both.write_bytes(client[0].read_bytes() + client[1].read_bytes())
        found = self.examine("--policy-cert", str(both))
        self.assertEqual("ok", found["checks"]["policy"]["result"], str(found))

    def test_a_prefix_of_the_address_counts(self) -> None:
        address = f"http://127.0.0.1:{self.api.port}"
        for path in ("/", "/v1/backup", "/v1/backup?backup_id=%(id)s"):
            found = self.examine("--policy-url", address + path)
            self.assertEqual("ok", found["checks"]["policy"]["result"], path)
        found = self.only_bad(
            "policy",
            "refuses-all",
            arguments=("--policy-url", f"{address}/prefix/v1/backup"),
        )
        self.assertIn("HTTP 404", found["what"])
        self.assertEqual(f"{address}/prefix", found["where"]["url"])

    def test_a_certificate_that_cannot_be_used(self) -> None:
        """Nobody is asked for a password; the file is named."""
        key = self.folder / "locked.pem"
        authority = certificates.Authority(self.folder, "locking")
        certificate, plain = authority.sign("locked")
        locked = serialization.load_pem_private_key(
            plain.read_bytes(), None
        ).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"word"),
        )
        key.write_bytes(certificate.read_bytes() + locked)
        for option, path in (
            ("--policy-cert", key),
            ("--policy-cert", self.folder / "nowhere"),
            ("--policy-ca", self.folder / "nowhere"),
        ):
            found = self.only_bad(
                "policy",
                "failed",
                arguments=(
                    "--policy-url",
                    "https://127.0.0.1:1",
                    option,
                    str(path),
                ),
            )
            self.assertIn(str(path), found["what"])

    def _stranger(self, status: int, text: str) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(text.encode())

            do_GET = do_POST

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return f"http://127.0.0.1:{server.server_port}"


class DatabaseFaultTest(clinic.Clinic):
    def test_a_database_that_is_not_there(self) -> None:
        self.configure(
            database={"connection": f"sqlite:///{self.folder}/other.sqlite"}
        )
        self.only_bad(
            "database", "failed", held=OF_SCHEMA | {"schema", "galera"}
        )

    def test_a_database_server_that_is_silent(self) -> None:
        silent = process.free_port()
        url = f"mysql+pymysql://u:database-word@127.0.0.1:{silent}/x"
        self.configure(database={"connection": url})
        found = self.only_bad(
            "database", "failed", held=OF_SCHEMA | {"schema", "galera"}
        )
        self.assertNotIn("database-word", str(found))

    def test_a_database_server_that_hangs(self) -> None:
        silent = self.enterContext(socket.create_server(("127.0.0.1", 0)))
        port = silent.getsockname()[1]
        self.configure(
            database={"connection": f"mysql+pymysql://u:w@127.0.0.1:{port}/x"}
        )
        self.only_bad(
            "database",
            "no-answer",
            held=OF_SCHEMA | {"schema", "galera"},
            limit=SHORT,
        )

    def test_a_schema_that_is_not_at_head(self) -> None:
        self._sql("UPDATE alembic_version SET version_num = 'a4d18c6e2b97'")
        found = self.only_bad("schema", "failed", held=OF_SCHEMA)
        self.assertIn("upgrade head", found["what"])

    def test_the_database_of_another_cloud(self) -> None:
        self._sql("UPDATE deployment SET region = 'elsewhere'")
        found = self.only_bad("deployment", "failed", held={"orphans"})
        self.assertIn("elsewhere", found["what"])

    def test_no_conductor_is_alive(self) -> None:
        self.alive = False
        self._sql("UPDATE conductors SET heartbeat_at = '2026-01-01 00:00:00'")
        self.only_bad("conductors", "no-conductor")

    def test_a_cycle_that_is_missed(self) -> None:
        self._sql("UPDATE freshness SET cycle_at = '2026-01-01 00:00:00'")
        self.only_bad("rounds", "round-missed", "warning")

    def test_what_is_paused(self) -> None:
        self.store.pause(task.Kind.BACKUP, "")
        found = self.only_bad("brakes", "paused", "warning")
        self.assertIn("staffeln resume backups", found["what_to_do"])

    def _sql(self, statement: str) -> None:
        with sqlite3.connect(self.folder / "staffeln.sqlite") as database:
            database.execute(statement)
