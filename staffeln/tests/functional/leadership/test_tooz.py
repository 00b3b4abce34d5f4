# SPDX-License-Identifier: Apache-2.0
"""The lock in etcd, Redis, ZooKeeper and MariaDB, on the real services."""

import dataclasses
import functools
import os
import signal
import threading

import pymysql
from kazoo import client

from staffeln import leadership
from staffeln.domain import errors
from staffeln.leadership import contract, lock
from staffeln.leadership.services.etcd import Etcd
from staffeln.leadership.services.zookeeper import ZooKeeper
from staffeln.tests import base
from staffeln.tests.functional.leadership import suite
from staffeln.tests.servers import (
    etcd,
    mariadb,
    postgresql,
    process,
    redis,
    zookeeper,
)

_LIMIT = 10.0
"""Seconds that a call may take where the service answers."""
_NODES = f"/tooz/locks/{leadership.Settings().lease_name}"


class _Test(base.TestCase):
    """What one service needs on top of the suite, by its backend."""

    def url(self) -> str:
        raise NotImplementedError

    def lock(self, holder: str = "here", **changes: object) -> lock.Lock:
        """A backend with the durations of the suite."""
        settings = leadership.Settings(
            lease_duration=suite.DURATION,
            lease_renew_deadline=suite.DEADLINE,
            lease_retry_period=suite.RETRY,
        )
        url = str(changes.pop("url", "")) or self.url()
        made = lock.Lock(
            url,
            holder,
            dataclasses.replace(settings, **changes),  # type: ignore[arg-type]
        )
        self.addCleanup(made.close)
        return made

    def lasting_lock(self) -> contract.Backend:
        """One that lives on, whatever a busy machine does meanwhile."""
        return self.lock(lease_duration=60, lease_renew_deadline=45)

    def refusal(self, backend: contract.Backend) -> str:
        """What it says to settings that cannot work, in one line."""
        said = set()
        for attempt in (backend.probe, backend.acquire):
            error = self.assertRaises(
                errors.ConfigurationError, attempt, _LIMIT
            )
            self.assertEqual(1, len(str(error).splitlines()))
            said.add(str(error))
        (text,) = said
        return text

    def assert_goes_on(self, first: contract.Backend) -> None:
        """The lock is lost, is known to be, and can be had again."""
        self.assertFalse(first.renew(_LIMIT))
        first.release(_LIMIT)
        self.assertTrue(first.acquire(_LIMIT))
        self.assertTrue(first.renew(_LIMIT))
        self.assertFalse(self.lock("other").acquire(_LIMIT))

    def assert_survives(self, backend: contract.Backend) -> None:
        """A holder whose service was restarted holds on."""
        self.assertTrue(suite.until(lambda: _renewed(backend)))
        backend.release(_LIMIT)
        self.assertTrue(self.lock("other").acquire(_LIMIT))


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


class EtcdOnlyTest(_Test):
    def setUp(self) -> None:
        super().setUp()
        etcd.shared().clear()
        self.before = etcd.shared().leases()

    def url(self) -> str:
        return etcd.shared().url

    def new_leases(self) -> set[str]:
        """Those that were not there when the test began.

        Of these some may end meanwhile: dead holders of other tests leave
        them behind.
        """
        return etcd.shared().leases() - self.before

    def test_no_lease_is_left(self) -> None:
        first, second = self.lasting_lock(), self.lock("second")
        self.assertTrue(first.acquire(_LIMIT))
        for _ in range(5):
            self.assertFalse(second.acquire(_LIMIT))
        self.assertEqual(1, len(self.new_leases()))
        first.release(_LIMIT)
        self.assertEqual(set(), self.new_leases())

    def test_nor_by_a_try_that_is_overtaken(self) -> None:
        self.assertTrue(self.lasting_lock().acquire(_LIMIT))
        second = self.lock("second")
        # It was free when it looked.
        self.patch(Etcd, "_read", lambda *_: [])
        self.assertFalse(second.acquire(_LIMIT))
        self.assertEqual(1, len(self.new_leases()))

    def test_a_key_that_is_gone_is_lost(self) -> None:
        first = self.lock()
        self.assertTrue(first.acquire(_LIMIT))
        etcd.shared().clear()
        self.assert_goes_on(first)

    def test_it_is_found_when_its_answer_was_lost(self) -> None:
        first = self.lock()
        self.assertTrue(first.acquire(_LIMIT))
        self.assertTrue(first.acquire(_LIMIT))

    def test_a_restart_is_survived(self) -> None:
        first = self.lasting_lock()
        self.assertTrue(first.acquire(_LIMIT))
        etcd.shared().restart()
        self.assert_survives(first)

    def test_nobody_there_is_one_line(self) -> None:
        nobody = self.lock(url=f"etcd3+http://localhost:{process.free_port()}")
        for attempt in (nobody.probe, nobody.acquire):
            error = self.assertRaises(
                errors.CoordinationError, attempt, _LIMIT
            )
            self.assertEqual(1, len(str(error).splitlines()))
            self.assertIn("refused", str(error))


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


class RedisOnlyTest(_Test):
    def setUp(self) -> None:
        super().setUp()
        redis.shared().clear()

    def url(self) -> str:
        return redis.shared().url

    def test_a_wrong_password_is_one_line_without_it(self) -> None:
        url = redis.shared().url_with("falsches")
        text = self.refusal(self.lock(url=url))
        self.assertIn("invalid username-password", text)
        self.assertNotIn("falsches", text + self.log.output)

    def test_a_missing_password_is_one_line(self) -> None:
        url = f"redis://127.0.0.1:{redis.shared().port}"
        self.assertIn("uthenticat", self.refusal(self.lock(url=url)))

    def test_no_more_rights_are_needed_than_the_documentation_says(
        self,
    ) -> None:
        rights = "+ping +get +set +del +pexpire +eval +evalsha"
        self.assertEqual(
            "+OK",
            redis.shared().ask(
                f"ACL SETUSER staffeln on >knapp ~_tooz_* {rights} "
                "+script|load"
            ),
        )
        url = f"redis://staffeln:knapp@127.0.0.1:{redis.shared().port}"
        first = self.lock(url=url)
        first.probe(_LIMIT)
        self.assertTrue(first.acquire(_LIMIT))
        self.assertTrue(first.renew(_LIMIT))
        first.release(_LIMIT)
        self.assertTrue(self.lock().acquire(_LIMIT))

    def test_a_key_that_is_gone_is_lost(self) -> None:
        first = self.lock()
        self.assertTrue(first.acquire(_LIMIT))
        redis.shared().clear()
        self.assert_goes_on(first)

    def test_nobody_elses_is_let_go(self) -> None:
        first, second = self.lock("first"), self.lock("second")
        self.assertTrue(first.acquire(_LIMIT))
        redis.shared().clear()
        self.assertTrue(second.acquire(_LIMIT))
        first.release(_LIMIT)
        self.assertTrue(second.renew(_LIMIT))

    def test_it_is_found_when_its_answer_was_lost(self) -> None:
        first = self.lock()
        self.assertTrue(first.acquire(_LIMIT))
        self.assertTrue(first.acquire(_LIMIT))

    def test_those_who_wait_write_nothing(self) -> None:
        self.assertTrue(self.lock("first").acquire(_LIMIT))
        second = self.lock("second")
        self.assertFalse(second.acquire(_LIMIT))
        redis.shared().ask("CONFIG RESETSTAT")
        self.assertFalse(second.acquire(_LIMIT))
        self.assertEqual(
            [], redis.shared().called("set", "evalsha", "psetex", "del")
        )

    def test_a_restart_is_survived(self) -> None:
        first = self.lasting_lock()
        self.assertTrue(first.acquire(_LIMIT))
        redis.shared().restart()
        self.assert_survives(first)

    def test_nobody_there_is_one_line_and_soon(self) -> None:
        nobody = self.lock(url=f"redis://localhost:{process.free_port()}")
        error = self.assertRaises(
            errors.CoordinationError, nobody.acquire, _LIMIT
        )
        self.assertEqual(1, len(str(error).splitlines()))
        self.assertIn("refused", str(error))


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


class ZooKeeperOnlyTest(_Test):
    def setUp(self) -> None:
        super().setUp()
        zookeeper.shared().clear()

    def url(self) -> str:
        return zookeeper.shared().url

    def nodes(self) -> list[str]:
        with zookeeper.shared().client() as made:
            return list(made.get_children(_NODES))

    def test_no_node_is_left(self) -> None:
        first, second = self.lock("first"), self.lock("second")
        self.assertTrue(first.acquire(_LIMIT))
        for _ in range(5):
            self.assertFalse(second.acquire(_LIMIT))
        self.assertEqual(1, len(self.nodes()))
        first.release(_LIMIT)
        self.assertEqual([], self.nodes())

    def test_nor_by_a_try_that_is_overtaken(self) -> None:
        self.assertTrue(self.lock("first").acquire(_LIMIT))
        second = self.lock("second")
        second.acquire(_LIMIT)
        # It was free when it looked.
        asked = client.KazooClient.get_children
        looked: list[str] = []

        def look(asker: client.KazooClient, path: str) -> list[str]:
            looked.append(path)
            return [] if len(looked) == 1 else list(asked(asker, path))

        self.patch(client.KazooClient, "get_children", look)
        self.assertFalse(second.acquire(_LIMIT))
        self.assertEqual(1, len(self.nodes()))

    def test_a_session_that_ended_is_a_lost_lock(self) -> None:
        first = self.lock()
        self.assertTrue(first.acquire(_LIMIT))
        with zookeeper.shared().client() as made:
            (node,) = made.get_children(_NODES)
            _, about = made.get(f"{_NODES}/{node}")
        _end_session(first, about.ephemeralOwner)
        self.assertTrue(suite.until(lambda: _is_lost(first)))
        self.assertTrue(suite.until(lambda: _acquired(first)))
        self.assertEqual(1, len(self.nodes()))

    def test_a_holder_that_falls_silent_loses_it(self) -> None:
        # Though its client goes on to keep the session alive.
        first, second = self.lock("first"), self.lock("second")
        self.assertTrue(first.acquire(_LIMIT))
        self.assertFalse(second.acquire(_LIMIT))
        self.assertTrue(suite.until(lambda: _acquired(second)))
        self.assertFalse(first.renew(_LIMIT))
        self.assertFalse(first.acquire(_LIMIT))
        second.release(_LIMIT)
        self.assertTrue(first.acquire(_LIMIT))

    def test_a_server_that_grants_less_time_is_refused(self) -> None:
        text = self.refusal(
            self.lock(lease_duration=zookeeper.LONGEST_SESSION + 1)
        )
        self.assertIn("lease_duration = 61", text)
        self.assertIn("60 s at most", text)

    def test_a_restart_is_survived(self) -> None:
        first = self.lasting_lock()
        self.assertTrue(first.acquire(_LIMIT))
        zookeeper.shared().restart()
        self.assert_survives(first)

    def test_what_hangs_leaves_no_thread(self) -> None:
        before = set(threading.enumerate())
        first = self.lock()
        self.assertTrue(first.acquire(_LIMIT))
        self.addCleanup(zookeeper.shared().thaw)
        zookeeper.shared().freeze()
        self.assertRaises(errors.CoordinationError, first.renew, 0.5)
        self.assertRaises(errors.CoordinationError, first.renew, 0.5)
        self.assertRaises(errors.CoordinationError, first.acquire, 0.5)
        zookeeper.shared().thaw()
        self.assertTrue(
            suite.until(lambda: set(threading.enumerate()) <= before)
        )

    def test_a_password_keeps_others_off_and_is_not_logged(self) -> None:
        url = zookeeper.shared().url.replace("//", "//staffeln:geheimes@")
        first = self.lock(url=f"{url}?namespace=apart")
        self.assertTrue(first.acquire(_LIMIT))
        first.close()
        other = self.lock(url=f"{zookeeper.shared().url}?namespace=apart")
        self.assertRaises(errors.ConfigurationError, other.acquire, _LIMIT)
        self.assertNotIn("geheimes", self.log.output)

    def test_nobody_there_is_one_line(self) -> None:
        nobody = self.lock(url=f"zookeeper://localhost:{process.free_port()}")
        error = self.assertRaises(
            errors.CoordinationError, nobody.acquire, 0.5
        )
        self.assertEqual(1, len(str(error).splitlines()))
        self.assertNotIn("WARNING", self.log.output)


def _mysql_url() -> str:
    url = mariadb.shared().url("mysql")
    return url.replace("mysql+pymysql", "mysql")


class MySQLTest(suite.LeadershipSuite):
    def settings(self) -> leadership.Settings:
        return self.make_settings(_mysql_url())


class MySQLOnlyTest(_Test):
    def url(self) -> str:
        return _mysql_url()

    def test_a_wrong_password_is_one_line_without_it(self) -> None:
        url = _mysql_url().replace("mariadb-secret", "falsches")
        text = self.refusal(self.lock(url=url))
        self.assertIn("Access denied", text)
        self.assertNotIn("falsches", text + self.log.output)

    def test_no_privilege_is_needed(self) -> None:
        mariadb.shared().run("CREATE USER plain@'%' IDENTIFIED BY 'knapp'")
        self.addCleanup(mariadb.shared().run, "DROP USER plain@'%'")
        first = self.lock(
            url=f"mysql://plain:knapp@127.0.0.1:{mariadb.shared().port}"
        )
        self.assertTrue(first.acquire(_LIMIT))
        self.assertTrue(first.renew(_LIMIT))

    def test_a_killed_connection_is_a_lost_lock(self) -> None:
        first = self.lock()
        self.assertTrue(first.acquire(_LIMIT))
        self.assertTrue(first.renew(_LIMIT))
        self.assertLess(0, mariadb.shared().kill_connections("mysql"))
        self.assert_goes_on(first)

    def test_a_connection_that_was_given_up_holds_nothing(self) -> None:
        first = self.lock()
        pid = mariadb.shared()._process.pid
        self.assertTrue(first.acquire(_LIMIT))
        self.addCleanup(os.kill, pid, signal.SIGCONT)
        os.kill(pid, signal.SIGSTOP)
        self.assertFalse(first.renew(_LIMIT))
        # It reaches the server when that goes on, and must hold nothing.
        self.assertRaises(errors.CoordinationError, first.acquire, 0.5)
        os.kill(pid, signal.SIGCONT)
        second = self.lock("second")
        self.assertTrue(suite.until(lambda: _acquired(second)))

    def test_those_who_wait_keep_their_connection(self) -> None:
        self.assertTrue(self.lock("first").acquire(_LIMIT))
        second = self.lock("second")
        self.assertFalse(second.acquire(_LIMIT))
        connect = pymysql.connections.Connection.connect
        made: list[object] = []

        def noted(connection: object) -> None:
            made.append(connection)
            connect(connection)

        self.patch(pymysql.connections.Connection, "connect", noted)
        self.assertFalse(second.acquire(_LIMIT))
        self.assertEqual([], made)


class PostgreSQLTest(_Test):
    """It works, though it is warned of."""

    def setUp(self) -> None:
        super().setUp()
        postgresql.shared().create("office")
        self.addCleanup(postgresql.shared().drop, "office")

    def url(self) -> str:
        url = postgresql.shared().url("office")
        return url.replace("postgresql+psycopg2", "postgresql")

    def test_one_of_two_holds_it_until_it_is_lost(self) -> None:
        first, second = self.lock("first"), self.lock("second")
        first.probe(_LIMIT)
        self.assertTrue(first.acquire(_LIMIT))
        self.assertTrue(first.renew(_LIMIT))
        self.assertFalse(second.acquire(_LIMIT))
        postgresql.shared().kill_connections("office")
        self.assertFalse(first.renew(_LIMIT))
        self.assertTrue(second.acquire(_LIMIT))
        second.release(_LIMIT)
        self.assertTrue(first.acquire(_LIMIT))


def _end_session(backend: lock.Lock, owner: int) -> None:
    """Let the server end a session, as if it had heard nothing of it."""
    assert isinstance(backend._service, ZooKeeper)
    session, password = backend._service._client.client_id
    assert session == owner
    twin = client.KazooClient(
        hosts=f"127.0.0.1:{zookeeper.shared().port}",
        client_id=(session, password),
    )
    twin.start()
    twin.stop()
    twin.close()


def _tells(attempt: functools.partial[bool]) -> bool | None:
    """What a backend answers; None: nothing."""
    try:
        return attempt()
    except errors.CoordinationError:
        return None


def _renewed(backend: contract.Backend) -> bool:
    return _tells(functools.partial(backend.renew, _LIMIT)) is True


def _is_lost(backend: contract.Backend) -> bool:
    return _tells(functools.partial(backend.renew, _LIMIT)) is False


def _acquired(backend: contract.Backend) -> bool:
    return _tells(functools.partial(backend.acquire, _LIMIT)) is True
