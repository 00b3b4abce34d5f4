# SPDX-License-Identifier: Apache-2.0
"""The manifests at a real API server: strictly applied, and tried."""

from __future__ import annotations

import copy
from typing import Any

from staffeln import leadership
from staffeln.leadership import lease
from staffeln.tests import base
from staffeln.tests.servers import kubernetes
from staffeln.tests.unit.packaging import manifests

TIMEOUT = 10.0

OF_ITSELF = {("authorization.k8s.io", "create")}
"""What everybody may: ask what they may (group and verb)."""


class ManifestsTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.server = kubernetes.shared()
        groups = self.server.ask("GET", "/apis")["groups"]
        self.versions = {
            version["groupVersion"]
            for group in groups
            for version in group["versions"]
        } | {"v1"}

    def spoken(self, made: manifests.Object) -> manifests.Object:
        """An object in a version that this server has.

        The newest one that Debian's source builds is older than the
        release that took PodDisruptionBudget into policy/v1, with the same
        fields.
        """
        if made["apiVersion"] in self.versions:
            return made
        self.assertEqual("policy/v1", made["apiVersion"])
        return made | {"apiVersion": "policy/v1beta1"}

    def apply(self, made: manifests.Object, *, dry_run: bool) -> str:
        """What the server says to it; empty: it takes it as it is."""
        answer = self.server.apply(self.spoken(made), dry_run=dry_run)
        return "" if answer.ok else answer.text

    def make_namespace(self) -> None:
        """A dry run needs it: objects are not checked in none."""
        made = manifests.one("Namespace", manifests.NAMESPACE)
        self.assertEqual("", self.apply(made, dry_run=False))

    def test_all_of_them_are_taken(self) -> None:
        self.make_namespace()
        for each in manifests.objects():
            name = f"{each['kind']} {each['metadata']['name']}"
            self.assertEqual("", self.apply(each, dry_run=True), name)

    def test_all_of_them_are_kept_as_they_are_written(self) -> None:
        for _ in range(2):
            for each in manifests.objects():
                name = f"{each['kind']} {each['metadata']['name']}"
                self.assertEqual("", self.apply(each, dry_run=False), name)
        for each in manifests.objects():
            kept = self.server.apply(self.spoken(each), dry_run=True).json()
            self.assert_within(each["metadata"], kept["metadata"])
            if each["kind"] == "Secret":
                continue
            for part in each.keys() - {"apiVersion", "kind", "metadata"}:
                self.assert_within(each[part], kept[part])

    def assert_within(self, written: Any, kept: Any) -> None:
        """Nothing of it was dropped or changed; defaults may be added."""
        if isinstance(written, dict):
            for key, value in written.items():
                if value != {}:
                    self.assertIn(key, kept)
                    self.assert_within(value, kept[key])
        elif isinstance(written, list):
            self.assertEqual(len(written), len(kept))
            for one, other in zip(written, kept, strict=True):
                self.assert_within(one, other)
        else:
            self.assertEqual(written, kept)

    def test_what_is_wrong_is_refused(self) -> None:
        self.make_namespace()
        right = manifests.one("Deployment", "staffeln-conductor")
        unknown = copy.deepcopy(right)
        manifests.container(unknown)["livenessProbe"]["secs"] = 3
        self.assertIn("secs", self.apply(unknown, dry_run=True))
        worth = copy.deepcopy(right)
        worth["spec"]["replicas"] = "three"
        self.assertIn("replicas", self.apply(worth, dry_run=True))
        invalid = copy.deepcopy(right)
        invalid["spec"]["selector"]["matchLabels"]["a"] = "b"
        self.assertIn("selector", self.apply(invalid, dry_run=True))


class RoleTest(base.TestCase):
    """The rights of the conductors' account, and nothing more."""

    def setUp(self) -> None:
        super().setUp()
        self.server = kubernetes.shared()
        self.namespace = self.server.make_namespace()

    def test_the_lock_needs_no_more(self) -> None:
        settings = leadership.Settings(
            kubeconfig=self.server.kubeconfig(
                self.home / "kubeconfig", self.namespace
            )
        )
        contender = lease.Lease(settings, "me")
        self.addCleanup(contender.close)
        contender.probe(TIMEOUT)
        self.assertTrue(contender.acquire(TIMEOUT))
        self.assertTrue(contender.renew(TIMEOUT))
        contender.release(TIMEOUT)
        self.assertTrue(contender.acquire(TIMEOUT))

    def test_the_server_says_that_nothing_else_is_allowed(self) -> None:
        rules = self.server.rules(
            self.server.token(self.namespace), self.namespace
        )
        allowed = {
            (group, verb, name)
            for rule in rules
            for group in rule["apiGroups"]
            for verb in rule["verbs"]
            for name in rule.get("resourceNames", ["*"])
            if (group, verb) not in OF_ITSELF
        }
        group, name = "coordination.k8s.io", "staffeln-scheduler"
        self.assertEqual(
            {(group, "get", name), (group, "update", name)}
            | {(group, "create", "*")},
            allowed,
        )

    def test_no_list_is_shown_to_it(self) -> None:
        token = self.server.token(self.namespace)
        paths = list(self.server.listable(self.namespace))
        self.assertGreater(len(paths), 50)
        for path in paths:
            self.assertEqual(403, self.server.status(token, "GET", path), path)
