# SPDX-License-Identifier: Apache-2.0
"""TLS of a running server: who gets an answer, and who does not."""

from __future__ import annotations

import contextlib
import pathlib
import signal
import socket
import ssl
import uuid

from staffeln.tests import certificates
from staffeln.tests.functional.api import live


class TlsTest(live.LiveTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.authority = certificates.Authority(self.home, "authority")
        self.clients = certificates.Authority(self.home, "clients")
        self.certificate, self.key = self.authority.sign("server")
        self.managed = self.api.manage()

    def start(self, **options: object) -> None:
        self.api.configure(**self.tls(**options))
        self.api.start()

    def tls(self, **options: object) -> dict[str, object]:
        return {
            "enabled_ssl": True,
            "ssl_cert_file": self.certificate,
            "ssl_key_file": self.key,
            **options,
        }

    def client(
        self,
        shown: tuple[pathlib.Path, pathlib.Path] | None = None,
        trusted: certificates.Authority | None = None,
    ) -> ssl.SSLContext:
        trusted = trusted or self.authority
        context = ssl.create_default_context(cafile=str(trusted.file))
        if shown is not None:
            context.load_cert_chain(*map(str, shown))
        return context

    def refused(self, context: ssl.SSLContext | None) -> None:
        """See that there is no answer at all to a check, or none of ours."""
        try:
            told = self.api.check(str(uuid.uuid4()), context)
        except (OSError, AssertionError):
            return
        except Exception as error:  # noqa: BLE001  of http.client
            self.assertNotIn("True", str(error))
            return
        self.fail(f"answered {told!r}")

    def test_checks_by_tls(self) -> None:
        self.start()
        context = self.client()
        self.assertEqual("False", self.api.check(self.managed, context))
        self.assertEqual("True", self.api.check(str(uuid.uuid4()), context))
        self.refused(None)

    def test_old_versions_are_refused(self) -> None:
        self.start()
        context = self.client()
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
        self.refused(context)
        newer = self.client()
        newer.maximum_version = ssl.TLSVersion.TLSv1_2
        self.assertEqual("False", self.api.check(self.managed, newer))

    def test_with_an_authority_clients_have_to_show_a_certificate(
        self,
    ) -> None:
        self.start(ssl_ca_file=self.clients.file)
        good = self.client(self.clients.sign("cinder"))
        self.assertEqual("False", self.api.check(self.managed, good))
        self.assertEqual("True", self.api.check(str(uuid.uuid4()), good))
        self.refused(self.client())
        self.refused(self.client(self.authority.sign("stranger")))
        self.assertNotIn("Traceback", self.api.log())

    def test_a_client_that_never_says_hello_holds_no_thread(self) -> None:
        self.start(request_timeout=1, workers=1, threads=1)
        with socket.create_connection(("127.0.0.1", self.api.port)) as client:
            # The beginning of a record, so that it counts as data.
            client.sendall(b"\x16\x03")
            told = self.api.check(self.managed, self.client())
        self.assertEqual("False", told)
        self.assertNotIn("Traceback", self.api.log())

    def test_nor_does_one_that_falls_silent_in_its_second_request(
        self,
    ) -> None:
        self.start(request_timeout=1, workers=1, threads=1)
        context = self.client()
        with contextlib.closing(self.api.connection(context)) as kept:
            live.check_on(kept, self.managed)
            assert kept.sock is not None
            kept.sock.sendall(b"POST /v1/backup HTTP/1.1\r\nHos")
            told = self.api.check(self.managed, context)
            self.assertEqual(b"", kept.sock.recv(100))
        self.assertEqual("False", told)
        self.assertNotIn("Traceback", self.api.log())

    def test_nor_do_those_that_trickle(self) -> None:
        """Within a handshake, and after it."""
        self.start(request_timeout=2, workers=1, threads=1)
        context = self.client()
        for secure, head in (
            (False, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
            (True, b"POST /v1/backup HTTP/1.1\r\nX: "),
        ):
            with contextlib.ExitStack() as opened:
                client = opened.enter_context(
                    socket.create_connection(("127.0.0.1", self.api.port))
                )
                if secure:
                    client = opened.enter_context(
                        context.wrap_socket(
                            client, server_hostname="127.0.0.1"
                        )
                    )
                opened.enter_context(live.trickling(client, head))
                told = self.api.check(self.managed, context)
            self.assertEqual("False", told)
        self.assertNotIn("Traceback", self.api.log())

    def test_a_new_certificate_is_there_after_a_reload(self) -> None:
        self.start()
        fresh = certificates.Authority(self.home, "fresh")
        self.refused(self.client(trusted=fresh))
        certificate, key = fresh.sign("server-2")
        self.api.configure(
            **self.tls(ssl_cert_file=certificate, ssl_key_file=key)
        )
        self.api.tell(signal.SIGHUP)
        self.api.wait_for_log("Worker exiting", 2)
        context = self.client(trusted=fresh)
        self.assertEqual("False", self.api.check(self.managed, context))

    def test_a_key_that_does_not_fit_changes_nothing(self) -> None:
        self.start()
        _, other = self.authority.sign("other")
        self.api.configure(**self.tls(ssl_key_file=other))
        self.api.tell(signal.SIGHUP)
        self.api.wait_for_log("old values stay: .*does not belong")
        self.assertEqual("False", self.api.check(self.managed, self.client()))
