# SPDX-License-Identifier: Apache-2.0
"""A Lease at a real API server, with no more rights than documented."""

import dataclasses
from typing import Any
from unittest import mock

from staffeln import leadership
from staffeln.domain import errors
from staffeln.leadership import apiserver, lease
from staffeln.tests import base
from staffeln.tests.functional.leadership import suite
from staffeln.tests.servers import kubernetes

NAME = "staffeln-scheduler"
TIMEOUT = 10.0
DURATION = 20
FOREIGN = {
    "holderIdentity": "somebody",
    "leaseDurationSeconds": 15,
    "acquireTime": "2026-01-01T00:00:00.000001Z",
    "renewTime": "2026-01-01T00:00:00.000001Z",
    "leaseTransitions": 7,
}


class NamespaceCase(base.TestCase):
    """A namespace of its own for each test."""

    def setUp(self) -> None:
        super().setUp()
        self.server = kubernetes.shared()
        self.addCleanup(self.server.thaw)
        self.namespace = self.server.make_namespace()
        self.kubeconfig = self.server.kubeconfig(
            self.home / "kubeconfig", self.namespace
        )


class LeaseTest(NamespaceCase, suite.ExpiringSuite):
    """All that any lock that expires has to keep."""

    def setUp(self) -> None:
        super().setUp()
        self.stand_still = self.server.freeze

    def settings(self) -> leadership.Settings:
        return dataclasses.replace(
            self.make_settings(), kubeconfig=self.kubeconfig
        )

    def freeze(self) -> None:
        self.stand_still()

    def thaw(self) -> None:
        self.server.thaw()

    def test_a_holder_stops_while_etcd_hangs(self) -> None:
        self.stand_still = self.server.freeze_etcd
        self.test_a_holder_cut_off_stops_before_another_begins()

    def test_it_gets_the_office_back_when_etcd_is_back(self) -> None:
        self.stand_still = self.server.freeze_etcd
        self.test_it_gets_the_office_back_when_the_service_is_back()

    def test_a_restart_of_the_api_server_costs_nothing_for_good(self) -> None:
        here = self.connect()
        self.assertTrue(here.acquire())
        self.server.restart()
        self.assertTrue(self.gets_it(here))


class Clock:
    """Seconds, as a test sets them."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class RecordTest(NamespaceCase):
    """What is written into a Lease, and what is read out of one."""

    def setUp(self) -> None:
        super().setUp()
        self.clock = Clock()
        self.here, self.there = self.contend("here"), self.contend("there")

    def contend(self, holder: str) -> lease.Lease:
        settings = leadership.Settings(
            kubeconfig=self.kubeconfig, lease_duration=DURATION
        )
        made = lease.Lease(settings, holder, self.clock)
        self.addCleanup(made.close)
        return made

    def stored(self) -> dict[str, Any]:
        return self.server.lease(self.namespace, NAME)

    def spec(self) -> dict[str, Any]:
        spec: dict[str, Any] = self.stored()["spec"]
        return spec

    def store(self, **changes: Any) -> None:
        """Make the Lease somebody else's."""
        self.server.change_lease(self.namespace, NAME, FOREIGN | changes)

    def assert_taken_after(self, seconds: float) -> None:
        """Taken so long after it was first seen, and not earlier."""
        self.assertFalse(self.here.acquire(TIMEOUT))
        self.clock.now += seconds - 0.01
        self.assertFalse(self.here.acquire(TIMEOUT))
        self.clock.now += 0.01
        self.assertTrue(self.here.acquire(TIMEOUT))

    def test_the_first_holder(self) -> None:
        self.assertTrue(self.here.acquire(TIMEOUT))
        spec = self.spec()
        self.assertRegex(spec["holderIdentity"], r"^here_[0-9a-f]{32}$")
        self.assertEqual(DURATION, spec["leaseDurationSeconds"])
        self.assertEqual(0, spec.get("leaseTransitions", 0))
        self.assertEqual(spec["acquireTime"], spec["renewTime"])

    def test_a_renewal_is_seen(self) -> None:
        self.assertTrue(self.here.acquire(TIMEOUT))
        before = self.stored()
        self.assertTrue(self.here.renew(TIMEOUT))
        after = self.stored()
        for part, key in (
            ("metadata", "resourceVersion"),
            ("spec", "renewTime"),
        ):
            self.assertNotEqual(before[part][key], after[part][key])
        del before["spec"]["renewTime"], after["spec"]["renewTime"]
        self.assertEqual(before["spec"], after["spec"])

    def test_given_back_it_has_no_holder(self) -> None:
        self.assertTrue(self.here.acquire(TIMEOUT))
        self.here.release(TIMEOUT)
        self.assertFalse(self.spec().get("holderIdentity"))
        self.assertEqual(1, self.spec()["leaseDurationSeconds"])
        self.assertTrue(self.there.acquire(TIMEOUT))
        self.assertEqual(1, self.spec()["leaseTransitions"])

    def test_what_is_not_ours_is_not_given_back(self) -> None:
        self.assertTrue(self.here.acquire(TIMEOUT))
        self.store()
        self.here.release(TIMEOUT)
        self.assertEqual("somebody", self.spec()["holderIdentity"])

    def test_each_new_holder_counts(self) -> None:
        self.store()
        self.assert_taken_after(15)
        self.assertEqual(8, self.spec()["leaseTransitions"])
        self.assertTrue(self.here.renew(TIMEOUT))
        self.assertEqual(8, self.spec()["leaseTransitions"])

    def test_the_other_clock_does_not_matter(self) -> None:
        for time in (
            "2000-01-01T00:00:00.000001Z",
            "2099-01-01T00:00:00.000001Z",
            "9999-12-31T23:59:59.999999Z",
        ):
            with self.subTest(time):
                self.store(renewTime=time, acquireTime=time)
                self.assert_taken_after(15)

    def test_a_renewal_begins_the_wait_anew(self) -> None:
        self.store()
        self.assertFalse(self.here.acquire(TIMEOUT))
        self.clock.now += 14
        # A day back: it is the change that counts.
        self.store(renewTime="2025-12-31T00:00:00.000001Z")
        self.assert_taken_after(15)

    def test_a_label_is_no_sign_of_life(self) -> None:
        self.store()
        self.assertFalse(self.here.acquire(TIMEOUT))
        self.clock.now += 15
        self.label()
        self.assertTrue(self.here.acquire(TIMEOUT))
        self.assertEqual("y", self.stored()["metadata"]["labels"]["x"])

    def test_a_label_costs_the_holder_nothing(self) -> None:
        self.assertTrue(self.here.acquire(TIMEOUT))
        self.label()
        self.assertTrue(self.here.renew(TIMEOUT))
        self.assertEqual("y", self.stored()["metadata"]["labels"]["x"])

    def label(self) -> None:
        stored = self.stored()
        stored["metadata"]["labels"] = {"x": "y"}
        self.server.ask(
            "PUT",
            "/apis/coordination.k8s.io/v1/namespaces/"
            f"{self.namespace}/leases/{NAME}",
            stored,
        )

    def test_removed_it_is_lost(self) -> None:
        self.assertTrue(self.here.acquire(TIMEOUT))
        self.server.delete_lease(self.namespace, NAME)
        self.assertFalse(self.here.renew(TIMEOUT))
        self.assertTrue(self.there.acquire(TIMEOUT))
        self.assertFalse(self.here.acquire(TIMEOUT))

    def test_made_anew_with_the_same_contents_it_is_lost(self) -> None:
        self.assertTrue(self.here.acquire(TIMEOUT))
        spec = self.spec()
        self.server.delete_lease(self.namespace, NAME)
        self.server.change_lease(self.namespace, NAME, spec)
        self.assertFalse(self.here.renew(TIMEOUT))

    def test_garbage_is_taken_over(self) -> None:
        for spec in (
            None,
            {},
            {"holderIdentity": ""},
            {"leaseDurationSeconds": 1, "renewTime": None},
            {"leaseTransitions": 2**31 - 1},
        ):
            with self.subTest(spec):
                self.server.change_lease(self.namespace, NAME, spec)
                self.assertTrue(self.here.acquire(TIMEOUT))
                self.assertTrue(self.here.renew(TIMEOUT))

    def test_without_a_duration_ours_is_taken(self) -> None:
        self.store(leaseDurationSeconds=None)
        self.assert_taken_after(DURATION)
        self.assertEqual(1, self.log.output.count("leaseDurationSeconds None"))

    def test_a_huge_duration_is_not_waited_for(self) -> None:
        self.store(leaseDurationSeconds=2**31 - 1)
        self.assert_taken_after(3600)
        self.assertEqual(1, self.log.output.count("2147483647"))

    def test_an_unanswered_renewal_is_looked_up(self) -> None:
        self.assertTrue(self.here.acquire(TIMEOUT))
        with unanswered("replace"):
            self.assertRaises(
                errors.CoordinationError, self.here.renew, TIMEOUT
            )
        before = self.stored()["metadata"]["resourceVersion"]
        self.assertTrue(self.here.renew(TIMEOUT))
        # Others count from when it changed: it has to change again.
        self.assertNotEqual(
            before, self.stored()["metadata"]["resourceVersion"]
        )

    def test_an_unanswered_start_is_looked_up(self) -> None:
        with unanswered("create"):
            self.assertRaises(
                errors.CoordinationError, self.here.acquire, TIMEOUT
            )
        self.assertFalse(self.there.acquire(TIMEOUT))
        self.assertTrue(self.here.acquire(TIMEOUT))
        self.assertEqual(0, self.spec().get("leaseTransitions", 0))

    def test_an_unanswered_end_is_looked_up(self) -> None:
        self.assertTrue(self.here.acquire(TIMEOUT))
        with unanswered("replace"):
            self.assertRaises(
                errors.CoordinationError, self.here.renew, TIMEOUT
            )
        self.here.release(TIMEOUT)
        self.assertTrue(self.there.acquire(TIMEOUT))

    def test_calls_are_one_for_each_question(self) -> None:
        self.assertTrue(self.here.acquire(TIMEOUT))
        self.here.probe(TIMEOUT)
        for _ in range(5):
            self.assertTrue(self.here.renew(TIMEOUT))
            self.assertFalse(self.there.acquire(TIMEOUT))
        self.assertEqual(
            {
                ("staffeln (here)", "get"): 2,
                ("staffeln (here)", "create"): 1,
                ("staffeln (here)", "update"): 5,
                ("staffeln (there)", "get"): 5,
            },
            self.server.requests(self.namespace),
        )


def unanswered(method: str) -> Any:
    """Calls are carried out, and their answers are lost."""
    real = getattr(apiserver.ApiServer, method)

    def lost(*args: Any) -> None:
        real(*args)
        raise errors.CoordinationError("no answer")

    return mock.patch.object(apiserver.ApiServer, method, lost)
