# SPDX-License-Identifier: Apache-2.0
"""The URL of a lock, and calls that end though what is beneath hangs."""

import importlib.util
import threading
from unittest import mock

import requests
from urllib3 import exceptions

from staffeln import leadership
from staffeln.domain import errors
from staffeln.leadership import lock, services
from staffeln.tests import base

_GOOD = (
    "file:///var/lib/staffeln/lock",
    "etcd3+http://etcd.example",
    "etcd3+https://etcd.example:2379?ca_cert=/etc/ssl/ca.pem",
    "redis://staffeln:geheim@redis.example:6379?db=2",
    "rediss://:geheim@[2001:db8::1]",
    "zookeeper://zk1.example,zk2.example:2182",
    "mysql://staffeln:geheim@db.example/staffeln",
)
_WARNED = (
    "postgresql://staffeln:geheim@db.example/staffeln",
    "memcached://cache.example",
    "kubernetes://?namespace=openstack",
)


DEFAULTS = leadership.Settings()


class UrlTest(base.TestCase):
    def refusal(self, url: str) -> str:
        error = self.assertRaises(
            errors.ConfigurationError, lock.check, url, DEFAULTS
        )
        self.assertEqual(1, len(str(error).splitlines()))
        self.assertIn("[coordination] backend_url", str(error))
        self.assertNotIn("geheim", str(error))
        return str(error)

    def test_these_are_good(self) -> None:
        for url in _GOOD:
            lock.check(url, DEFAULTS)
            self.assertIsNone(lock.warning(url))

    def test_these_are_warned_of(self) -> None:
        for url in _WARNED:
            text = lock.warning(url) or ""
            self.assertEqual(1, len(text.splitlines()), text)
            self.assertNotIn("geheim", text)
            self.assertIn("instead" if "kub" not in url else "Lease", text)

    def test_other_schemes_are_refused_with_those_that_are_not(self) -> None:
        for url in (
            "consul://h",
            "mysql+pymysql://u:geheim@h/d",
            "/etc/lock",
            "geheim",
        ):
            text = self.refusal(url)
            for each in ("etcd3+http", "redis", "zookeeper", "mysql", "file"):
                self.assertIn(each, text)

    def test_a_host_is_needed(self) -> None:
        for url in (
            "redis://",
            "redis:///run/redis.sock",
            "etcd3+http://:2379",
            "mysql://u:geheim@/staffeln",
            "zookeeper://zk1,",
        ):
            self.assertIn("host", self.refusal(url))

    def test_ports_are_numbers(self) -> None:
        for url in (
            "redis://h:x",
            "redis://h:0",
            "redis://h:65536",
            "zookeeper://zk1:2181,zk2:x",
        ):
            self.assertIn("port", self.refusal(url))

    def test_a_password_that_no_url_can_hold_is_not_taken_apart(self) -> None:
        for url in (
            "mysql://staffeln:12/geheim@h/staffeln",
            "mysql://staffeln:12?geheim@h/staffeln",
            "redis://:12#geheim@h",
            "zookeeper://me:geheim@a,me:geheim@b",
            "zookeeper://me:ge,heim@a",
        ):
            self.assertIn("password", self.refusal(url))

    def test_no_url_at_all(self) -> None:
        for url in ("redis://[::1", "redis://[x]/", "redis://u:geheim@[h"):
            self.refusal(url)

    def test_a_file_has_an_absolute_plain_path(self) -> None:
        for url in (
            "file://",
            "file:",
            "file://lock",
            "file:///a%20b",
            "file:///a?timeout=3",
            "file:///a#b",
            "file:///a\x07",
        ):
            self.assertIn("absolute path", self.refusal(url))

    def test_a_missing_library_is_named_with_its_package(self) -> None:
        self.patch(importlib.util, "find_spec", lambda _name: None)
        for url, package in (
            ("etcd3+http://h", "staffeln[etcd]"),
            ("redis://:geheim@h", "staffeln[redis]"),
            ("zookeeper://h", "staffeln[zookeeper]"),
            ("mysql://h/d", "PyMySQL"),
            ("postgresql://h/d", "staffeln[postgresql]"),
            ("memcached://h", "pymemcache"),
            ("kubernetes://", "tooz[kubernetes]"),
        ):
            self.assertIn(package, self.refusal(url))
        lock.check("file:///var/lock", DEFAULTS)

    def test_the_duration_is_set_in_one_place(self) -> None:
        for url in (
            "etcd3+http://h?lock_timeout=30",
            "redis://h?lock_timeout=30",
            "zookeeper://h?timeout=30",
        ):
            lock.check(url, leadership.Settings(lease_duration=30))
            error = self.assertRaises(
                errors.ConfigurationError, lock.check, url, DEFAULTS
            )
            self.assertIn("timeout=30 contradicts", str(error))
            self.assertRaises(
                errors.ConfigurationError,
                lock.Lock,
                url,
                "me",
                DEFAULTS,
            )
        lock.check("etcd3+http://h?timeout=3", DEFAULTS)

    def test_the_name_of_the_lock_is_one_for_all_services(self) -> None:
        lock.check("mysql://h/d", leadership.Settings(lease_name="a-b.c"))
        for name in ("", "Big", "a/b", "a b", "x" * 65):
            error = self.assertRaises(
                errors.ConfigurationError,
                lock.check,
                "mysql://h/d",
                leadership.Settings(lease_name=name),
            )
            self.assertIn("[coordination] lease_name", str(error))

    def test_one_that_is_no_number_is_one_line(self) -> None:
        made = lock.Lock(
            "etcd3+http://h?timeout=x", "me", leadership.Settings()
        )
        error = self.assertRaises(errors.ConfigurationError, made.acquire, 5)
        self.assertIn("'x'", str(error))


class DescriptionTest(base.TestCase):
    def described(self, url: str) -> str:
        made = lock.Lock(url, "holder-1", DEFAULTS)
        shown = f"{made.description} {made!r} {made._address!r}"
        self.assertNotIn("geheim", shown)
        self.assertNotIn("holder-1", made.description)
        return made.description

    def test_it_names_service_lock_and_hosts(self) -> None:
        for url, words in (
            ("file:///var/lock", "file lock /var/lock/scheduler"),
            (
                "etcd3+http://h",
                "etcd lock staffeln-scheduler at h:2379",
            ),
            (
                "rediss://me:geheim@[::1]?db=2",
                "redis lock staffeln-scheduler at [::1]:6379 (db=2)",
            ),
            (
                "redis://h:26379?sentinel=main&sentinel_password=geheim",
                "redis lock staffeln-scheduler at h:26379 (sentinel=main)",
            ),
            (
                "zookeeper://me:geheim@b,A:1?hosts=c",
                "zookeeper lock staffeln-scheduler at a:1,b:2181,c:2181",
            ),
            (
                "mysql://me:geheim@h/db",
                "mysql lock staffeln-scheduler at h:3306",
            ),
            ("kubernetes://", "kubernetes lock staffeln-scheduler"),
        ):
            self.assertEqual(words, self.described(url))

    def test_it_is_the_same_for_all_contenders(self) -> None:
        self.assertEqual(
            self.described("zookeeper://a,b:2181"),
            self.described("zookeeper://me:geheim@b,a"),
        )
        self.assertNotEqual(
            self.described("redis://h?db=1"), self.described("redis://h")
        )

    def test_which_expire(self) -> None:
        for url, expires in (
            *zip(
                _GOOD,
                (False, True, True, True, True, True, False),
                strict=True,
            ),
            *zip(_WARNED, (False, True, True), strict=True),
        ):
            made = lock.Lock(url, "me", DEFAULTS)
            self.assertEqual(expires, made.expires, url)


class _Stub(services.Service):
    """A service that does what a test says."""

    def __init__(self) -> None:
        self.gone = False
        self.hang = threading.Event()
        self.hangs = False
        self.fails: Exception | None = None
        self.disconnected = threading.Semaphore(0)

    def connect(self) -> None:
        self.acquire()

    def acquire(self) -> bool:
        if self.hangs:
            self.hang.wait()
        if self.fails:
            raise self.fails
        return True

    def prove(self) -> bool:
        return self.acquire()

    def give_back(self) -> None:
        self.acquire()

    def disconnect(self) -> None:
        self.disconnected.release()


class CallTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.stubs: list[_Stub] = []
        self.patch(services, "make", self.make)
        self.addCleanup(self.let_all_go)
        self.lock = lock.Lock(
            "redis://me:geheim@h", "me", leadership.Settings()
        )

    def make(self, *_given: object) -> _Stub:
        self.stubs.append(_Stub())
        return self.stubs[-1]

    def let_all_go(self) -> None:
        for each in self.stubs:
            each.hang.set()

    def assert_disconnected(self, stub: _Stub) -> None:
        self.assertTrue(stub.disconnected.acquire(timeout=60))

    def test_a_call_that_hangs_is_given_up_with_its_connection(self) -> None:
        self.assertTrue(self.lock.acquire(5))
        self.stubs[0].hangs = True
        error = self.assertRaises(
            errors.CoordinationError, self.lock.renew, 0.01
        )
        self.assertIn("has not answered within 0.01 s", str(error))
        self.assert_disconnected(self.stubs[0])
        # What it takes when it goes on is given up as well.
        self.stubs[0].hang.set()
        self.assert_disconnected(self.stubs[0])
        self.assertRaises(errors.CoordinationError, self.lock.renew, 5)
        self.assertTrue(self.lock.acquire(5))
        self.assertEqual(2, len(self.stubs))

    def test_a_lost_connection_that_was_the_lock_is_a_lost_lock(self) -> None:
        backend = lock.Lock("mysql://h", "me", DEFAULTS)
        self.assertTrue(backend.acquire(5))
        self.stubs[0].hangs = True
        self.assertRaises(errors.CoordinationError, backend.renew, 0.01)
        self.assertFalse(backend.renew(5))

    def test_errors_are_one_line_without_passwords(self) -> None:
        self.assertTrue(self.lock.acquire(5))
        self.stubs[0].fails = ValueError("no\n\tgood:\x1b[1m 'geheim'")
        for attempt in (self.lock.renew, self.lock.release):
            error = self.assertRaises(errors.CoordinationError, attempt, 5)
            self.assertEqual(
                "the redis lock staffeln-scheduler at h:6379: "
                "no good:?[1m '***'",
                str(error),
            )
            self.assertIsNone(error.__cause__)

    def test_errors_say_the_matter_and_not_what_it_is_wrapped_in(self) -> None:
        self.assertTrue(self.lock.acquire(5))
        refused = ConnectionRefusedError(111, "Connection refused")
        opened = exceptions.NewConnectionError(mock.Mock(), "Failed")
        opened.__cause__ = refused
        pool = mock.Mock()
        retried = exceptions.MaxRetryError(pool, "/version", opened)
        self.stubs[0].fails = requests.ConnectionError(retried)
        error = self.assertRaises(errors.CoordinationError, self.lock.renew, 5)
        self.assertEqual(
            "the redis lock staffeln-scheduler at h:6379: "
            "[Errno 111] Connection refused",
            str(error),
        )

    def test_after_a_failed_try_another_connection_is_made(self) -> None:
        self.assertTrue(self.lock.acquire(5))
        self.stubs[0].fails = OSError("reset")
        self.assertRaises(errors.CoordinationError, self.lock.acquire, 5)
        self.assert_disconnected(self.stubs[0])
        self.assertTrue(self.lock.acquire(5))

    def test_a_release_that_failed_ends_the_connection(self) -> None:
        self.assertTrue(self.lock.acquire(5))
        self.stubs[0].fails = OSError("reset")
        self.assertRaises(errors.CoordinationError, self.lock.release, 5)
        self.assert_disconnected(self.stubs[0])
        self.lock.release(5)

    def test_a_probe_leaves_no_connection(self) -> None:
        self.lock.probe(5)
        self.assert_disconnected(self.stubs[0])

    def test_what_a_driver_cannot_read_is_one_line(self) -> None:
        self.patch(services, "make", _unreadable)
        error = self.assertRaises(
            errors.ConfigurationError, self.lock.acquire, 5
        )
        self.assertEqual(
            "[coordination] backend_url: invalid int 'x***'", str(error)
        )


def _unreadable(*_given: object) -> services.Service:
    raise ValueError("invalid int 'xgeheim'")
