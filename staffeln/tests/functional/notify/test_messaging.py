# SPDX-License-Identifier: Apache-2.0
"""Notifications on a real message bus, and on one that is down."""

from __future__ import annotations

import json
import socket
import threading
from typing import Any

from kombu import connection
from oslo_config import cfg

from staffeln.domain import errors, task
from staffeln.notify import messaging
from staffeln.tests import base
from staffeln.tests.servers import process, rabbitmq
from staffeln.tests.unit.domain import samples

PRIORITIES = ("info", "error")


class MessagingTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.server = rabbitmq.shared()
        self.server.start()
        self.counted: list[tuple[int, bool]] = []
        self.told = threading.Event()
        self.topic = self.id().rpartition(".")[2]

    def read(self, url: str) -> cfg.ConfigOpts:
        path = self.home / "bus.conf"
        path.write_text(
            f"[{messaging.GROUP}]\n"
            "driver = messagingv2\n"
            f"topics = {self.topic}\n"
            f"transport_url = {url}\n"
        )
        conf = cfg.ConfigOpts()
        conf(["--config-file", str(path)], default_config_files=[])
        return conf

    def count(self, number: int, published: bool) -> None:
        self.counted.append((number, published))
        self.told.set()

    def connect(self, url: str) -> messaging.Bus:
        bus = messaging.connect(self.read(url), "h1", "d1", self.count)
        bus._pause = 0.2
        self.addCleanup(bus.stop)
        bus.start()
        return bus

    def published(self, number: int) -> None:
        """Wait until so many were published."""
        process.await_true(
            lambda: self.counted.count((1, True)) >= number,
            f"only {self.counted} were published",
        )

    def received(self) -> list[dict[str, Any]]:
        """What lies in the queues, as a reader takes it."""
        found = []
        with connection.Connection(  # type: ignore[no-untyped-call]
            self.server.url.replace("rabbit://", "pyamqp://")
        ) as link:
            channel = link.channel()
            for priority in PRIORITIES:
                name = f"{self.topic}.{priority}"
                channel.queue_declare(name, durable=False, auto_delete=False)
                while (
                    message := channel.basic_get(name, no_ack=True)
                ) is not None:
                    envelope = json.loads(message.body)
                    found.append(json.loads(envelope["oslo.message"]))
        return found

    def test_what_a_reader_gets(self) -> None:
        bus = self.connect(self.server.url)
        running = samples.backup_task(
            state=task.State.RUNNING,
            attempt=1,
            volume_name="Bäckup 📦 <b>",
            backup_id="b1",
        )
        bus.moved(task.State.CLAIMED, samples.backup_task())
        bus.moved(task.State.STARTING, running)
        bus.report_sent("r1", ("p1", "p2"), ("someone@example.org",))
        self.published(2)
        started, sent = self.received()
        self.assertEqual(
            ("staffeln.backup.start", "staffeln.h1", "INFO"),
            (
                started["event_type"],
                started["publisher_id"],
                started["priority"],
            ),
        )
        self.assertEqual(
            {
                "payload_version": "1.0",
                "deployment_id": "d1",
                "event_id": started["payload"]["event_id"],
                "task_id": running.id,
                "state": "running",
                "attempt": 1,
                "mode": running.mode and running.mode.value,
                "cause": None,
                "reason": running.reason,
                "project_id": running.project_id,
                "volume_id": running.volume_id,
                "volume_name": "Bäckup 📦 <b>",
                "volume_size": running.volume_size,
                "server_id": running.server_id,
                "server_name": running.server_name,
                "backup_id": "b1",
                "created_at": running.created_at.isoformat() + "Z",
                "updated_at": running.updated_at.isoformat() + "Z",
                "finished_at": None,
            },
            started["payload"],
        )
        self.assertEqual("staffeln.report.sent", sent["event_type"])
        self.assertEqual(1, sent["payload"]["receiver_count"])
        self.assertNotIn("example.org", json.dumps(sent))

    def test_errors_have_their_own_queue(self) -> None:
        bus = self.connect(self.server.url)
        for kind, word in (
            (task.Kind.BACKUP, "staffeln.backup.error"),
            (task.Kind.DELETE, "staffeln.backup.delete.error"),
        ):
            bus.moved(
                task.State.RUNNING,
                samples.backup_task(kind=kind, state=task.State.FAILED),
            )
            self.published(1)
            (failed,) = self.received()
            self.counted.clear()
            self.assertEqual(
                (word, "ERROR"), (failed["event_type"], failed["priority"])
            )

    def test_a_bus_that_is_down_holds_nobody_up_and_gets_all_later(
        self,
    ) -> None:
        bus = self.connect(self.server.url)
        work = samples.backup_task(state=task.State.SUCCEEDED)
        bus.moved(task.State.RUNNING, work)
        self.published(1)
        self.received()
        self.counted.clear()
        self.server.end()
        for number in range(100):
            bus.moved(
                task.State.RUNNING,
                samples.backup_task(f"t{number}", state=task.State.SUCCEEDED),
            )
        process.await_true(
            lambda: "does not take any" in self.log.output,
            "nobody noticed that the bus is down",
        )
        self.assertEqual([], self.counted)
        self.server.start()
        self.published(100)
        self.assertEqual(
            [f"t{number}" for number in range(100)],
            [each["payload"]["task_id"] for each in self.received()],
        )
        self.assertEqual(1, self.log.output.count("does not take any"))
        self.assertIn("takes them again; 0 were dropped", self.log.output)
        self.assertNotIn(rabbitmq.PASSWORD, self.log.output)

    def test_the_end_does_not_wait_for_a_bus_that_is_down(self) -> None:
        with socket.socket() as mute:
            # Takes connections and never says a word.
            mute.bind(("127.0.0.1", 0))
            mute.listen()
            port = mute.getsockname()[1]
            bus = self.connect(f"rabbit://u:geheim@127.0.0.1:{port}/")
            for _ in range(3):
                bus.moved(None, samples.backup_task(state=task.State.FAILED))
            bus.stop()
            # It hangs in the midst of connecting, and is left to itself.
            self.assertTrue(bus._thread.is_alive())
        self.assertIn("were not sent before the end", self.log.output)
        self.assertNotIn("geheim", self.log.output)

    def test_a_wrong_password_is_told_without_it(self) -> None:
        bus = self.connect(self.server.url_with("falsch-geheim"))
        bus.moved(None, samples.backup_task(state=task.State.FAILED))
        process.await_true(
            lambda: "does not take any" in self.log.output,
            "nobody noticed that the bus refuses",
        )
        self.assertNotIn("falsch", self.log.output)

    def test_what_waits_is_sent_before_the_end(self) -> None:
        bus = self.connect(self.server.url)
        for _ in range(50):
            bus.moved(None, samples.backup_task(state=task.State.FAILED))
        bus.stop()
        self.assertEqual(50, len(self.received()))


class CheckTest(base.TestCase):
    def refusal(self, text: str) -> str:
        path = self.home / "bus.conf"
        path.write_text(text)
        conf = cfg.ConfigOpts()
        conf(["--config-file", str(path)], default_config_files=[])
        error = self.assertRaises(
            errors.ConfigurationError, messaging.check, conf
        )
        return str(error)

    def test_what_cannot_be_a_bus_is_refused_without_its_password(
        self,
    ) -> None:
        for url in ("foo://u:geheim@h:1/", "rabbit://u:geheim@h:x/", "geheim"):
            said = self.refusal(
                f"[{messaging.GROUP}]\ndriver = messagingv2\n"
                f"transport_url = {url}\n"
            )
            self.assertIn("transport_url", said)
            self.assertNotIn("geheim", said)

    def test_a_driver_that_there_is_not(self) -> None:
        said = self.refusal(
            f"[{messaging.GROUP}]\ndriver = messagingv3\n"
            "transport_url = rabbit://h:1/\n"
        )
        self.assertIn("'messagingv3': is not one of", said)

    def test_an_option_that_is_none_is_named_at_once(self) -> None:
        url = "driver = messagingv2\ntransport_url = rabbit://h:1/\n"
        for group, name, text in (
            ("oslo_messaging_rabbit", "ssl", "maybe"),
            ("oslo_messaging_rabbit", "rabbit_retry_interval", "x"),
            ("oslo_messaging_rabbit", "rpc_conn_pool_size", "x"),
            ("oslo_messaging_rabbit", "ssl_ca_file", "$ssl_ca_file"),
            (messaging.GROUP, "retry", "x"),
            (messaging.GROUP, "topics", ""),
            (messaging.GROUP, "topics", ","),
            ("DEFAULT", "control_exchange", "$geheim"),
        ):
            said = self.refusal(
                f"[{messaging.GROUP}]\n{url}[{group}]\n{name} = {text}\n"
            )
            self.assertIn(f"[{group}] {name}: ", said)
            self.assertEqual(1, len(said.splitlines()))
            self.assertNotIn("geheim", said)

    def test_numbers_that_do_not_fit_each_other(self) -> None:
        said = self.refusal(
            f"[{messaging.GROUP}]\ndriver = messagingv2\n"
            "transport_url = rabbit://u:geheim@h:1/\n"
            "[oslo_messaging_rabbit]\nrpc_conn_pool_size = 1\n"
            "conn_pool_min_size = 9\n"
        )
        self.assertIn("[oslo_messaging_rabbit] rpc_conn_pool_size: 1", said)
        self.assertNotIn("geheim", said)

    def test_a_dollar_in_a_password_shows_nothing_of_it(self) -> None:
        said = self.refusal(
            f"[{messaging.GROUP}]\ndriver = messagingv2\n"
            "transport_url = rabbit://u:a${geheim}b@h:1/\n"
        )
        self.assertIn(f"[{messaging.GROUP}] transport_url: ", said)
        self.assertIn("$$", said)
        self.assertNotIn("geheim", said)
