# SPDX-License-Identifier: Apache-2.0
"""The server: what starts, reloads and ends it loses no request."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import uuid

from staffeln.db import seen
from staffeln.tests.functional.api import live
from staffeln.tests.servers import process

TWO_WORKERS = 150 * 1024
"""KiB that two workers stay below together."""

NOT_LOADED = (
    "keystoneauth1",
    "kubernetes",
    "openstack",
    "oslo_db.sqlalchemy",
    "oslo_messaging",
    "oslo_service",
    "sqlalchemy.orm",
    "tooz",
)

LOADED = """
import sys
from staffeln import conf
from staffeln.api import serving
from staffeln.wiring import api
read = conf.load(
    ["--config-file", sys.argv[1]], prog="x", reader=conf.Reader.API
)
api.check(read)
api.application(read).test_client().post("/v1/backup?backup_id=1")
print(*sorted(sys.modules))
"""


class ServerTest(live.LiveTestCase):
    def test_it_answers_and_ends(self) -> None:
        self.api.configure()
        managed = self.api.manage()
        self.api.start()
        self.assertEqual("False", self.api.check(managed))
        self.assertEqual("True", self.api.check(str(uuid.uuid4())))
        self.assertEqual(200, self.api.get("/v1/health")[0])
        self.assertEqual(404, self.api.get("/metrics")[0])
        self.api.tell(signal.SIGTERM)
        self.assertEqual((0, ""), self.api.wait())
        self.assertEqual([], list(self.home.glob("staffeln-api-*")))

    def test_lines_of_the_server_look_like_all_others(self) -> None:
        self.api.configure()
        self.api.start()
        self.api.wait_for_log(
            r"\n[-0-9]{10} [.:0-9]+ \d+ INFO gunicorn.error \[-\] Listening "
            rf"at: http://127.0.0.1:{self.api.port}"
        )

    def test_a_reload_under_load_loses_no_request(self) -> None:
        self.api.configure(workers=2)
        managed = self.api.manage()
        self.api.start()
        with live.Load(self.api, managed).running() as load:
            for number in range(1, 4):
                before = load.answers()
                self.api.configure(workers=2 + number % 2)
                self.api.tell(signal.SIGHUP)
                self.api.wait_for_log("was read again", number)
                self.api.wait_until(
                    lambda least=before + 200: load.answers() > least,  # type: ignore[misc]
                    "200 answers",
                )
        self.assertEqual({"managed False", "other True"}, set(load.told))
        self.api.wait_until(
            lambda: len(self.api.workers()) == 3, "three workers"
        )

    def test_a_stop_under_load_loses_no_request(self) -> None:
        self.api.configure()
        managed = self.api.manage()
        self.api.start()
        with live.Load(self.api, managed).running() as load:
            self.api.wait_until(lambda: load.answers() > 200, "200 answers")
            self.api.tell(signal.SIGTERM)
            code, said = self.api.wait()
        self.assertEqual((0, ""), (code, said))
        self.assertLessEqual(
            set(load.told), {"managed False", "other True", "refused"}
        )

    def test_what_was_half_sent_is_answered_after_a_stop(self) -> None:
        self.api.configure()
        managed = self.api.manage()
        self.api.start()
        body = b"a=1"
        with socket.create_connection(("127.0.0.1", self.api.port)) as client:
            client.sendall(
                f"POST /v1/backup?backup_id={managed} HTTP/1.1\r\n"
                "Host: x\r\nContent-Type: application/x-www-form-urlencoded"
                f"\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            )
            # Another client's answer shows that threads go on with this one.
            self.api.check(managed)
            self.api.tell(signal.SIGTERM)
            self.api.wait_for_log("Handling signal: term")
            client.sendall(body)
            answer = http.client.HTTPResponse(client)
            answer.begin()
            self.assertNotEqual("True", answer.read().decode())
        self.assertEqual(0, self.api.wait()[0])

    def test_a_wrong_file_changes_nothing(self) -> None:
        self.api.configure()
        managed = self.api.manage()
        self.api.start()
        before = set(self.api.workers())
        self.api.configure(workers="many")
        self.api.tell(signal.SIGHUP)
        self.api.wait_for_log("old values stay: .api. workers = 'many'")
        self.assertEqual("False", self.api.check(managed))
        self.assertEqual(before, set(self.api.workers()))

    def test_a_database_that_no_driver_reaches_changes_nothing(self) -> None:
        self.api.configure()
        managed = self.api.manage()
        self.api.start()
        before, url = set(self.api.workers()), self.api.url
        for number, wrong in enumerate(
            ("mysql+nothing://h/d", "mysql://h/d?connect_timeout=abc"), 1
        ):
            self.api.url = wrong
            self.api.configure()
            self.api.tell(signal.SIGHUP)
            self.api.wait_for_log("old values stay: .database. conn", number)
        self.assertEqual("False", self.api.check(managed))
        self.assertEqual(before, set(self.api.workers()))
        self.assertNotIn("Traceback", self.api.log())
        self.api.url = url

    def test_a_port_in_use_changes_nothing(self) -> None:
        self.api.configure()
        managed = self.api.manage()
        self.api.start()
        with socket.create_server(("127.0.0.1", 0)) as other:
            self.api.configure(port=other.getsockname()[1])
            self.api.tell(signal.SIGHUP)
            self.api.wait_for_log("old values stay: .* is in use already")
        self.assertEqual("False", self.api.check(managed))

    def test_another_port(self) -> None:
        self.api.configure()
        managed = self.api.manage()
        self.api.start()
        old, self.api.port = self.api.port, process.free_port()
        self.api.configure()
        self.api.tell(signal.SIGHUP)
        self.api.wait_for_log("Worker exiting", 2)
        self.assertEqual("False", self.api.check(managed))
        self.assertRaises(ConnectionRefusedError, self.api.get, "/", old)

    def test_a_working_directory_that_is_deleted_changes_nothing(self) -> None:
        folder = self.home / "release-1"
        folder.mkdir()
        self.api.configure()
        managed = self.api.manage()
        self.api.start(cwd=folder)
        folder.rmdir()
        self.api.configure(workers=3)
        self.api.tell(signal.SIGHUP)
        self.api.wait_for_log("Booting worker with pid", 5)
        self.assertEqual("False", self.api.check(managed))
        self.assertNotIn("Traceback", self.api.log())

    def test_a_silent_client_holds_no_thread(self) -> None:
        self.api.configure(request_timeout=1, workers=1, threads=1)
        managed = self.api.manage()
        self.api.start()
        with socket.create_connection(("127.0.0.1", self.api.port)) as client:
            client.sendall(b"POST /v1/backup HTTP/1.1\r\nHos")
            self.assertEqual("False", self.api.check(managed))
            self.assertEqual(b"", client.recv(100))
        self.assertNotIn("Traceback", self.api.log())

    def test_clients_that_trickle_hold_no_thread(self) -> None:
        self.api.configure(request_timeout=2, workers=1, threads=1)
        managed = self.api.manage()
        self.api.start()
        for head in (
            b"POST /v1/backup HTTP/1.1\r\nX: ",
            f"POST /v1/backup?backup_id={managed} HTTP/1.1\r\nHost: x\r\n"
            "Content-Length: 1000\r\n\r\n".encode(),
        ):
            with (
                socket.create_connection(
                    ("127.0.0.1", self.api.port)
                ) as client,
                live.trickling(client, head),
            ):
                self.assertEqual("False", self.api.check(managed))
        self.assertNotIn("Traceback", self.api.log())

    def test_what_is_no_request_is_refused_as_all_else(self) -> None:
        self.api.configure()
        self.api.start()
        for sent, status in (
            ("no request\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nX-Auth-Token s3cret\r\n\r\n", 400),
            (f"GET /{'x' * 9000} HTTP/1.1\r\n\r\n", 414),
            (f"GET / HTTP/1.1\r\nX: {'x' * 9000}\r\n\r\n", 431),
            ("GET / HTTP/1.1\r\nTransfer-Encoding: x\r\n\r\n", 501),
        ):
            with socket.create_connection(
                ("127.0.0.1", self.api.port), timeout=live.LIMIT
            ) as client:
                client.sendall(sent.encode())
                answer = http.client.HTTPResponse(client)
                answer.begin()
                self.assertEqual(status, answer.status, sent[:60])
                error = json.loads(answer.read())["error"]
                self.assertEqual(status, error["code"])
                self.assertEqual(
                    error["request_id"],
                    answer.headers["X-Openstack-Request-Id"],
                )
            self.api.wait_for_log(error["request_id"])
        self.assertNotIn("s3cret", self.api.log())
        self.assertNotIn(" ERROR ", self.api.log())
        self.assertNotIn(" WARNING ", self.api.log())

    def test_bodies_that_are_cut_or_broken(self) -> None:
        self.api.configure(request_timeout=1)
        self.api.start()
        head = (
            f"POST /v1/backup?backup_id={uuid.uuid4()} HTTP/1.1\r\n"
            "Host: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        )
        chunked = f"{head}Transfer-Encoding: chunked\r\n\r\n"
        for sent, is_closed in (
            (f"{head}Content-Length: 265\r\n\r\n", True),
            (f"{head}Content-Length: 265\r\n\r\nrule=", True),
            (f"{chunked}-1\r\nabc", False),
            (f"{chunked}0\r\nTrailer : x\r\n\r\n", False),
            (f"{chunked}5\r\nabc", True),
            (f"{chunked}5\r\nabc", False),
        ):
            with socket.create_connection(
                ("127.0.0.1", self.api.port), timeout=live.LIMIT
            ) as client:
                client.sendall(sent.encode())
                if is_closed:
                    client.shutdown(socket.SHUT_WR)
                answer = http.client.HTTPResponse(client)
                answer.begin()
                self.assertEqual(400, answer.status, sent)
        self.assertNotIn("Traceback", self.api.log())
        self.assertNotIn(" ERROR ", self.api.log())

    def test_a_memory_that_is_no_file_is_a_doubt(self) -> None:
        file = self.home / seen.FILE
        # Whoever opens it as a file waits for somebody who writes.
        os.mkfifo(file)
        self.api.configure(workers=1, threads=1)
        managed = self.api.manage()
        self.api.start()
        for _ in range(20):
            self.assertEqual("False", self.api.check(managed))
            self.assertEqual("False", self.api.check(str(uuid.uuid4())))
        self.assertEqual(503, self.api.get("/v1/health")[0])
        self.api.wait_for_log("mend it, or remove it")
        file.unlink()
        self.api.wait_until(
            lambda: self.api.check(str(uuid.uuid4())) == "True", "True"
        )

    def test_metrics_have_an_address_of_their_own(self) -> None:
        port = process.free_port()
        self.api.configure(metrics_enabled=True, metrics_port=port)
        managed = self.api.manage()
        self.api.start()
        for _ in range(20):
            self.api.check(managed)
        status, text = self.api.get("/metrics", port)
        self.assertEqual(200, status)
        self.assertIn(
            'staffeln_api_requests_total{method="POST",route="/v1/backup",'
            'status="200"} 20.0',
            text,
        )
        self.assertIn(
            'staffeln_api_checks_total{answer="False",doubt=""} 20.0', text
        )
        self.assertEqual(404, self.api.get("/metrics")[0])
        self.assertEqual(404, self.api.get("/v1/health", port)[0])

    def test_numbers_have_a_folder_only_where_they_are_asked_for(self) -> None:
        port = process.free_port()
        self.api.configure(workers=1)
        managed = self.api.manage()
        self.api.start()
        self.api.check(managed)
        self.assertEqual([], list(self.home.glob("staffeln-api-*")))
        self.api.configure(workers=2, metrics_enabled=True, metrics_port=port)
        self.api.tell(signal.SIGHUP)
        self.api.wait_for_log("Worker exiting")
        for _ in range(20):
            self.api.check(managed)
        text = self.api.get("/metrics", port)[1]
        self.assertIn(
            'staffeln_api_checks_total{answer="False",doubt=""} 20.0', text
        )
        (folder,) = self.home.glob("staffeln-api-*")
        self.assertLessEqual(4, len(list(folder.iterdir())))
        self.api.tell(signal.SIGTERM)
        self.assertEqual((0, ""), self.api.wait())
        self.assertEqual([], list(self.home.glob("staffeln-api-*")))

    def test_systemd_is_told_when_it_listens(self) -> None:
        self.api.configure()
        path = str(self.home / "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
            told.bind(path)
            self.api.start(NOTIFY_SOCKET=path)
            self.assertTrue(told.recv(1000).startswith(b"READY=1"))

    def test_a_killed_worker_is_replaced(self) -> None:
        self.api.configure(workers=1)
        managed = self.api.manage()
        self.api.start()
        (worker,) = self.api.workers()
        subprocess.run(["kill", "-KILL", str(worker)], check=True)
        self.api.wait_for_log("Booting worker with pid", 2)
        self.assertEqual("False", self.api.check(managed))


class SizeTest(live.LiveTestCase):
    def test_two_workers_are_small(self) -> None:
        self.api.configure(workers=2)
        managed = self.api.manage()
        self.api.start()
        with live.Load(self.api, managed).running() as load:
            self.api.wait_until(lambda: load.answers() > 1000, "answers")
            sizes = self.api.workers()
        self.assertEqual(2, len(sizes))
        self.assertLess(sum(sizes.values()), TWO_WORKERS, str(sizes))

    def test_nothing_of_the_conductor_is_loaded(self) -> None:
        self.api.configure()
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                LOADED,
                str(self.home / "staffeln.conf"),
            ],
            env={"PYTHONPATH": ":".join(sys.path), "HOME": str(self.home)},
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(0, done.returncode, done.stderr)
        loaded = set(done.stdout.split())
        self.assertIn("staffeln.api.app", loaded)
        self.assertEqual(set(), loaded & set(NOT_LOADED))
