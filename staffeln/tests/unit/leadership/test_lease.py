# SPDX-License-Identifier: Apache-2.0
"""What is said of a Lease's options before anybody is asked."""

import pathlib
from collections.abc import Callable
from typing import Any
from unittest import mock

import fixtures
import yaml

from staffeln.domain import errors
from staffeln.leadership import access, lease, pod
from staffeln.leadership.settings import Settings
from staffeln.tests import base

TOKEN = "geheimnis"


def content() -> dict[str, Any]:
    """What a kubeconfig holds."""
    return {
        "current-context": "here",
        "contexts": [
            {
                "name": "here",
                "context": {
                    "cluster": "there",
                    "user": "me",
                    "namespace": "backup",
                },
            }
        ],
        "clusters": [
            {
                "name": "there",
                "cluster": {"server": "https://k8s.example:6443/"},
            }
        ],
        "users": [{"name": "me", "user": {"token": TOKEN}}],
    }


class Case(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.path = self.home / "kubeconfig"

    def write(
        self, change: Callable[[dict[str, Any]], object] = len
    ) -> Settings:
        made = content()
        change(made)
        self.path.write_text(yaml.safe_dump(made))
        return Settings(kubeconfig=str(self.path))

    def refusal(self, settings: Settings) -> str:
        text = str(
            self.assertRaises(errors.ConfigurationError, lease.check, settings)
        )
        self.assertEqual(1, len(text.splitlines()))
        self.assertNotIn(TOKEN, text)
        self.assertTrue(text.startswith("[coordination] "), text)
        self.assertRaises(errors.ConfigurationError, lease.Lease, settings, "")
        return text


class KubeconfigTest(Case):
    def test_a_good_one(self) -> None:
        settings = self.write()
        lease.check(settings)
        self.assertEqual(
            "Lease backup/staffeln-scheduler at k8s.example:6443",
            lease.Lease(settings, "me").description,
        )

    def test_one_that_cannot_be_used(self) -> None:
        plugin = {"apiVersion": "v1", "command": "no-such-plugin"}
        cases: dict[str, Callable[[dict[str, Any]], object]] = {
            "it has no current-context": lambda x: x.pop("current-context"),
            "there is no context 'that'": lambda x: x.update(
                {"current-context": "that"}
            ),
            "there is no cluster 'there'": lambda x: x.pop("clusters"),
            "there is no user 'me'": lambda x: x.update(users="geheimnis"),
            "the cluster's server is not a URL": lambda x: x["clusters"][0][
                "cluster"
            ].update(server="k8s.example"),
            "certificate-authority": lambda x: x["clusters"][0][
                "cluster"
            ].update({"certificate-authority": "none.crt"}),
            "tokenFile": lambda x: x["users"][0].update(
                user={"tokenFile": "/no/token"}
            ),
            "client-key": lambda x: x["users"][0].update(
                user={"client-key": "none.key"}
            ),
            "its exec plugin no-such-plugin is not": lambda x: x["users"][
                0
            ].update(user={"exec": plugin}),
            "its exec plugin has no command": lambda x: x["users"][0].update(
                user={"exec": {"args": ["x"]}}
            ),
        }
        for text, change in cases.items():
            with self.subTest(text):
                settings = self.write(change)
                said = self.refusal(settings)
                self.assertIn(f"kubeconfig {self.path}", said)
                self.assertIn(text, said)

    def test_one_that_cannot_be_read(self) -> None:
        settings = Settings(kubeconfig=str(self.path))
        self.assertIn("No such file", self.refusal(settings))
        for text in ("", "a: b: c", TOKEN, "[]", "\0", "? ["):
            with self.subTest(text):
                self.path.write_text(text)
                self.refusal(settings)
        self.path.write_bytes(b"\xff\xff\xff")
        self.refusal(settings)

    def test_what_the_client_finds_wrong(self) -> None:
        settings = self.write(
            lambda x: x["clusters"][0]["cluster"].update(
                {"certificate-authority-data": "%%%"}
            )
        )
        contender = lease.Lease(settings, "me")
        self.addCleanup(contender.close)
        error = self.assertRaises(
            errors.ConfigurationError, contender.probe, 1.0
        )
        self.assertIn("certificate-authority-data is not base64", str(error))

    def test_proxies(self) -> None:
        self.useFixture(
            fixtures.EnvironmentVariable("https_proxy", "http://proxy.example")
        )
        settings = self.write()
        self.assertEqual("http://proxy.example", self.proxy(settings))
        self.useFixture(
            fixtures.EnvironmentVariable("no_proxy", "a.example,k8s.example")
        )
        self.assertIsNone(self.proxy(settings))
        settings = self.write(
            lambda x: x["clusters"][0]["cluster"].update(
                {"proxy-url": "http://other.example"}
            )
        )
        self.assertEqual("http://other.example", self.proxy(settings))

    def proxy(self, settings: Settings) -> object:
        made = access.Access(settings)
        self.addCleanup(made.close)
        return made.configuration.proxy


class NamesTest(Case):
    def test_names(self) -> None:
        self.write()
        path = str(self.path)
        for good in ("a", "a.b-c", "x" * 63, ".".join(["x" * 62] * 4)):
            lease.check(Settings(kubeconfig=path, lease_name=good))
        for bad in ("", "A", "a_b", "-a", "a..b", "a/b", "x" * 254, "a\n"):
            self.assertIn(
                "lease_name",
                self.refusal(Settings(kubeconfig=path, lease_name=bad)),
            )

    def test_namespaces(self) -> None:
        self.write()
        path = str(self.path)
        for good in ("a", "a-1", "x" * 63):
            lease.check(Settings(kubeconfig=path, lease_namespace=good))
        for bad in ("A", "a.b", "-a", "a/b", "x" * 64, "a\n"):
            self.assertIn(
                "lease_namespace",
                self.refusal(Settings(kubeconfig=path, lease_namespace=bad)),
            )

    def test_where_the_namespace_comes_from(self) -> None:
        settings = self.write()
        self.assertEqual("backup", lease.namespace(settings))
        self.assertEqual(
            "given",
            lease.namespace(
                Settings(kubeconfig=str(self.path), lease_namespace="given")
            ),
        )
        settings = self.write(
            lambda made: made["contexts"][0]["context"].pop("namespace")
        )
        self.assertEqual("default", lease.namespace(settings))


class PodTest(Case):
    def setUp(self) -> None:
        super().setUp()
        self.useFixture(
            fixtures.MockPatchObject(pod, "SERVICE_ACCOUNT", self.home)
        )

    def enter(self) -> None:
        for name, value in (("HOST", "fd00::1"), ("PORT", "6443")):
            self.useFixture(
                fixtures.EnvironmentVariable(
                    f"KUBERNETES_SERVICE_{name}", value
                )
            )
        for name in ("token", "ca.crt", "namespace"):
            pathlib.Path(self.home, name).write_text("backup\n")

    def test_not_in_a_pod(self) -> None:
        self.assertFalse(pod.in_cluster())
        self.assertIn("kubeconfig is empty", self.refusal(Settings()))
        self.assertEqual("default", lease.namespace(Settings()))

    def test_in_a_pod(self) -> None:
        self.enter()
        self.assertTrue(pod.in_cluster())
        lease.check(Settings())
        self.assertEqual(
            "Lease backup/staffeln-scheduler at [fd00::1]:6443",
            lease.Lease(Settings(), "me").description,
        )

    def test_no_proxy_leads_out_of_a_pod(self) -> None:
        self.enter()
        self.useFixture(
            fixtures.EnvironmentVariable("https_proxy", "http://proxy.example")
        )
        made = access.Access(Settings())
        self.addCleanup(made.close)
        self.assertIsNone(made.configuration.proxy)
        self.assertEqual("https://[fd00::1]:6443", made.configuration.host)

    def test_the_environment_alone_makes_no_pod(self) -> None:
        with mock.patch.dict(
            "os.environ", {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}
        ):
            self.assertFalse(pod.in_cluster())
