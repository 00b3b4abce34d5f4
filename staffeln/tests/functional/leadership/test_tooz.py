# SPDX-License-Identifier: Apache-2.0
"""The lock in etcd, Redis, ZooKeeper and MariaDB, on the real services."""

from staffeln import leadership
from staffeln.tests.functional.leadership import suite
from staffeln.tests.servers import etcd, mariadb, redis, zookeeper


class EtcdTest(suite.ExpiringSuite):
    def setUp(self) -> None:
        super().setUp()
        etcd.shared().clear()

    def settings(self) -> leadership.Settings:
        return self.make_settings(etcd.shared().url)

    def freeze(self) -> None:
        etcd.shared().freeze()

    def thaw(self) -> None:
        etcd.shared().thaw()


class RedisTest(suite.ExpiringSuite):
    def setUp(self) -> None:
        super().setUp()
        redis.shared().clear()

    def settings(self) -> leadership.Settings:
        return self.make_settings(redis.shared().url)

    def freeze(self) -> None:
        redis.shared().freeze()

    def thaw(self) -> None:
        redis.shared().thaw()


class ZooKeeperTest(suite.ExpiringSuite):
    def setUp(self) -> None:
        super().setUp()
        zookeeper.shared().clear()

    def settings(self) -> leadership.Settings:
        return self.make_settings(zookeeper.shared().url)

    def freeze(self) -> None:
        zookeeper.shared().freeze()

    def thaw(self) -> None:
        zookeeper.shared().thaw()


class MySQLTest(suite.LeadershipSuite):
    def settings(self) -> leadership.Settings:
        url = mariadb.shared().url("mysql").replace("mysql+pymysql", "mysql")
        return self.make_settings(url)
