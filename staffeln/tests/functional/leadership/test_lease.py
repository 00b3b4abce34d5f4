# SPDX-License-Identifier: Apache-2.0
"""A Lease at a real API server, with no more rights than documented."""

import dataclasses

from staffeln import leadership
from staffeln.tests.functional.leadership import suite
from staffeln.tests.servers import kubernetes

NAME = "staffeln-scheduler"


class LeaseCase(suite.LeadershipSuite):
    """A namespace of its own for each test."""

    def setUp(self) -> None:
        super().setUp()
        self.server = kubernetes.shared()
        self.addCleanup(self.server.thaw)
        self.namespace = self.server.make_namespace()
        self.kubeconfig = self.server.kubeconfig(
            self.home / "kubeconfig", self.namespace
        )

    def settings(self) -> leadership.Settings:
        return dataclasses.replace(
            self.make_settings(), kubeconfig=self.kubeconfig
        )


class LeaseTest(LeaseCase, suite.ExpiringSuite):
    """All that any lock that expires has to keep."""

    def freeze(self) -> None:
        self.server.freeze()

    def thaw(self) -> None:
        self.server.thaw()


class EtcdFrozenTest(LeaseCase, suite.ExpiringSuite):
    """The API server takes requests, and has no answer."""

    def freeze(self) -> None:
        self.server.freeze_etcd()

    def thaw(self) -> None:
        self.server.thaw()
