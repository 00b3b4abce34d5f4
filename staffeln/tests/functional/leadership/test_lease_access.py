# SPDX-License-Identifier: Apache-2.0
"""Ways to a real API server, and what is said when there is none."""

import base64
import dataclasses
import json
import os
import pathlib
import tempfile
from typing import Any
from unittest import mock

import fixtures

from staffeln import leadership
from staffeln.domain import errors
from staffeln.leadership import lease, pod
from staffeln.tests import base
from staffeln.tests.servers import kubernetes

TIMEOUT = 10.0


class AccessCase(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.server = kubernetes.shared()
        self.addCleanup(self.server.start)
        self.namespace = self.server.make_namespace()

    def settings(self, **kubeconfig: Any) -> leadership.Settings:
        return leadership.Settings(
            kubeconfig=self.server.kubeconfig(
                self.home / "kubeconfig", self.namespace, **kubeconfig
            )
        )

    def contend(self, settings: leadership.Settings) -> lease.Lease:
        made = lease.Lease(settings, "me")
        self.addCleanup(made.close)
        return made

    def refusal(
        self, kind: type[errors.StaffelnError], settings: leadership.Settings
    ) -> str:
        """What is said, in one line, by all that ask."""
        contender = self.contend(settings)
        said = {
            str(self.assertRaises(kind, ask, TIMEOUT))
            for ask in (contender.acquire, contender.probe)
        }
        self.assertEqual(1, len(said))
        text = said.pop()
        self.assertEqual(1, len(text.splitlines()))
        self.assertIn(self.server.url.removeprefix("https://"), text)
        return text


class RightsTest(AccessCase):
    def test_an_account_without_rights(self) -> None:
        text = self.refusal(
            errors.ConfigurationError, self.settings(account=kubernetes.POOR)
        )
        for part in (
            "HTTP 403",
            "get lease staffeln-scheduler",
            f"namespace {self.namespace}",
            "a Role in that namespace with the verbs get, create and update",
            f"system:serviceaccount:{self.namespace}:poor",
        ):
            self.assertIn(part, text)

    def test_the_role_is_for_one_name_and_namespace(self) -> None:
        settings = self.settings()
        for changed in (
            dataclasses.replace(settings, lease_name="another"),
            dataclasses.replace(settings, lease_namespace="default"),
        ):
            self.assertIn(
                "HTTP 403", self.refusal(errors.ConfigurationError, changed)
            )

    def test_nothing_else_is_allowed(self) -> None:
        token = self.server.token(self.namespace)
        leases = (
            f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases"
        )
        for verb, path in (
            ("GET", leases),
            ("DELETE", f"{leases}/staffeln-scheduler"),
            ("DELETE", leases),
            ("GET", f"/api/v1/namespaces/{self.namespace}/secrets"),
        ):
            self.assertEqual(403, self.server.status(token, verb, path))

    def test_a_namespace_that_is_not_there(self) -> None:
        path = self.server.kubeconfig_for_admin(self.home / "admin", "nowhere")
        contender = self.contend(leadership.Settings(kubeconfig=path))
        error = self.assertRaises(
            errors.ConfigurationError, contender.acquire, TIMEOUT
        )
        self.assertIn('namespaces "nowhere" not found', str(error))


class TokenTest(AccessCase):
    def test_a_token_that_is_not_valid(self) -> None:
        text = self.refusal(
            errors.ConfigurationError,
            self.settings(user={"token": "geheimnis"}),
        )
        self.assertIn("HTTP 401", text)
        self.assertNotIn("geheimnis", text)

    def test_a_token_that_no_header_takes(self) -> None:
        text = self.refusal(
            errors.CoordinationError,
            self.settings(user={"token": "geheim\nnis"}),
        )
        self.assertNotIn("geheim", text)

    def test_a_file_with_another_token(self) -> None:
        file = self.home / "token"
        file.write_text("old\n")
        contender = self.contend(self.settings(user={"tokenFile": "token"}))
        self.assertRaises(
            errors.ConfigurationError, contender.acquire, TIMEOUT
        )
        file.write_text(f"{self.server.token(self.namespace)}\n")
        self.assertTrue(contender.acquire(TIMEOUT))

    def test_an_exec_plugin(self) -> None:
        version = "client.authentication.k8s.io/v1"
        credentials = {
            "apiVersion": version,
            "kind": "ExecCredential",
            "status": {"token": self.server.token(self.namespace)},
        }
        plugin = self.home / "plugin"
        plugin.write_text(f"#!/bin/sh\necho '{json.dumps(credentials)}'\n")
        plugin.chmod(0o700)
        settings = self.settings(
            user={"exec": {"apiVersion": version, "command": str(plugin)}}
        )
        self.assertTrue(self.contend(settings).acquire(TIMEOUT))
        plugin.write_text("#!/bin/sh\nexit 3\n")
        error = self.assertRaises(
            errors.CoordinationError, self.contend(settings).acquire, TIMEOUT
        )
        self.assertIn(f"exec plugin {plugin} gives no", str(error))


class PodTest(AccessCase):
    """As in a pod: its service account's files and its environment."""

    def setUp(self) -> None:
        super().setUp()
        self.account = self.home / "serviceaccount"
        self.account.mkdir()
        self.useFixture(
            fixtures.MockPatchObject(pod, "SERVICE_ACCOUNT", self.account)
        )
        host, _, port = self.server.url.removeprefix("https://").partition(":")
        for name, value in (("HOST", host), ("PORT", port)):
            self.useFixture(
                fixtures.EnvironmentVariable(
                    f"KUBERNETES_SERVICE_{name}", value
                )
            )
        ca = self.server.authority.read_text()
        (self.account / "ca.crt").write_text(ca)
        (self.account / "namespace").write_text(self.namespace)
        self.give(self.server.token(self.namespace))

    def give(self, token: str) -> None:
        (self.account / "token").write_text(token)

    def test_it_is_found_without_any_option(self) -> None:
        settings = leadership.Settings()
        leadership.check(settings)
        office = leadership.connect(settings, "me")
        self.addCleanup(office.close)
        self.assertTrue(office.acquire())
        self.assertFalse(office.local)
        self.assertEqual(
            f"Lease {self.namespace}/staffeln-scheduler at "
            f"{self.server.url.removeprefix('https://')}",
            office.description,
        )

    def test_a_token_that_is_exchanged(self) -> None:
        self.give("old\n")
        contender = self.contend(leadership.Settings())
        self.assertRaises(
            errors.ConfigurationError, contender.acquire, TIMEOUT
        )
        self.give(f"{self.server.token(self.namespace)}\n")
        self.assertTrue(contender.acquire(TIMEOUT))
        self.give(self.server.token(self.namespace))
        self.assertTrue(contender.renew(TIMEOUT))

    def test_a_token_that_is_gone(self) -> None:
        contender = self.contend(leadership.Settings())
        self.give("")
        error = self.assertRaises(
            errors.ConfigurationError, contender.acquire, TIMEOUT
        )
        self.assertIn(str(self.account), str(error))


class WayTest(AccessCase):
    def test_nobody_listens(self) -> None:
        settings = self.settings()
        self.server.end()
        text = self.refusal(errors.CoordinationError, settings)
        self.assertIn("Connection refused", text)
        self.server.start()
        self.assertTrue(self.contend(settings).acquire(TIMEOUT))

    def test_a_certificate_of_somebody_else(self) -> None:
        settings = self.settings(
            cluster={
                "certificate-authority": "/etc/ssl/certs/ca-certificates.crt"
            }
        )
        text = self.refusal(errors.CoordinationError, settings)
        self.assertIn("CERTIFICATE_VERIFY_FAILED", text)

    def test_no_look_at_the_certificate(self) -> None:
        settings = self.settings(
            cluster={
                "certificate-authority": None,
                "insecure-skip-tls-verify": True,
            }
        )
        self.assertTrue(self.contend(settings).acquire(TIMEOUT))
        self.assertIn("insecure-skip-tls-verify", self.log.output)

    def test_a_proxy_of_the_environment_is_not_for_loopback(self) -> None:
        for name in ("http", "https", "all"):
            for variable in (f"{name}_proxy", f"{name}_proxy".upper()):
                self.useFixture(
                    fixtures.EnvironmentVariable(
                        variable, "http://127.0.0.1:9"
                    )
                )
        self.assertTrue(self.contend(self.settings()).acquire(TIMEOUT))

    def test_a_proxy_of_the_kubeconfig(self) -> None:
        self.useFixture(fixtures.EnvironmentVariable("NO_PROXY", "*"))
        settings = self.settings(cluster={"proxy-url": "http://127.0.0.1:9"})
        text = self.refusal(errors.CoordinationError, settings)
        self.assertIn("proxy", text)

    def test_certificates_within_the_kubeconfig_leave_no_file(self) -> None:
        data = base64.b64encode(self.server.authority.read_bytes()).decode()
        settings = self.settings(
            cluster={
                "certificate-authority": None,
                "certificate-authority-data": data,
            }
        )
        scratch = self.home / "tmp"
        scratch.mkdir()
        with mock.patch.object(tempfile, "tempdir", str(scratch)):
            contender = self.contend(settings)
            self.assertTrue(contender.acquire(TIMEOUT))
            files = [
                pathlib.Path(folder, name)
                for folder, _, names in os.walk(scratch)
                for name in names
            ]
            self.assertEqual(
                [0o600], [x.stat().st_mode & 0o777 for x in files]
            )
            contender.close()
        self.assertEqual([], list(scratch.iterdir()))
