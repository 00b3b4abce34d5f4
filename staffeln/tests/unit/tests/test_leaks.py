# SPDX-License-Identifier: Apache-2.0
"""The search for secrets finds those that were planted, in any form."""

from __future__ import annotations

import base64

import yaml

from staffeln.tests import base, leaks

SECRET = "s3cr3t/of a+cloud"
TOKEN = "gAAAAABn" + "A1b2-_" * 20


class FoundTest(base.TestCase):
    def found(self, text: str, *secrets: str) -> list[str]:
        return leaks.found({"x.log": text}, secrets)

    def test_a_text_without_them_is_clean(self) -> None:
        self.assertEqual([], self.found("nothing\nhere", SECRET))

    def test_one_is_found_in_each_of_its_forms(self) -> None:
        for form in (
            SECRET,
            "s3cr3t%2Fof%20a%2Bcloud",
            "s3cr3t%2Fof+a%2Bcloud",
            base64.b64encode(f"\0me\0{SECRET}".encode()).decode(),
            base64.b64encode(f"\0him\0{SECRET}".encode()).decode(),
            base64.b64encode(f"\0them\0{SECRET}".encode()).decode(),
        ):
            told = self.found(f"first\nsaid {form} aloud", SECRET)
            self.assertEqual(1, len(told), form)
            self.assertIn("x.log, line 2", told[0])
            self.assertNotIn("s3cr3t", told[0])

    def test_tokens_tell_themselves(self) -> None:
        for text in (
            f"X-Auth-Token: {TOKEN}",
            "Bearer " + ".".join(["eyJ" + "a" * 30] * 3),
            "-----BEGIN RSA PRIVATE KEY-----",
        ):
            self.assertEqual(1, len(self.found(text)), text)

    def test_words_are_no_secrets(self) -> None:
        self.assertEqual([], self.found("the wrong one", "wrong", ""))


class SecretsTest(base.TestCase):
    def test_of_a_configuration(self) -> None:
        path = self.home / "staffeln.conf"
        kubeconfig = self.home / "kubeconfig"
        kubeconfig.write_text(yaml.safe_dump({"users": [{"token": "kube"}]}))
        path.write_text(
            "[DEFAULT]\ntransport_url = rabbit://u:bus@h/\n"
            "[database]\nconnection = mysql+pymysql://u:data%40@h/n\n"
            "[notification]\nsender_pwd = mail\nsender_email = a@b\n"
            f"[coordination]\nkubeconfig = {kubeconfig}\n"
            "backend_url = redis://:lock@h\n"
            "[conductor]\nbackup_metadata_key = public\n"
        )
        self.assertEqual(
            {"bus", "data%40", "mail", "kube", "lock"},
            set(leaks.of_configuration(path)),
        )

    def test_of_an_environment(self) -> None:
        path = self.home / "clouds.yaml"
        path.write_text(
            yaml.safe_dump({"clouds": {"c": {"auth": {"password": "file"}}}})
        )
        environment = {
            "OS_PASSWORD": "shell",
            "OS_USERNAME": "me",
            "OS_CLIENT_CONFIG_FILE": str(path),
        }
        self.assertEqual(
            {"shell", "file"}, set(leaks.of_environment(environment))
        )

    def test_all_that_was_logged_is_read(self) -> None:
        for name in ("a.log", "a.log.1", "b/c.out", "staffeln.conf"):
            path = self.home / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(SECRET)
        self.assertEqual(
            {"a.log", "a.log.1", "b/c.out"},
            set(leaks.texts_below(self.home)),
        )


class GrowingTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.growing = leaks.Growing(self.home)

    def write(self, text: str, mode: str = "a") -> None:
        with (self.home / "nova.log").open(mode) as log:
            log.write(text)

    def test_each_line_is_read_once_and_whole(self) -> None:
        self.write("one\ntw")
        self.assertEqual(
            {"nova.log from byte 0": "one\n"}, self.growing.more()
        )
        self.assertEqual({}, self.growing.more())
        self.write("o\n")
        self.assertEqual(
            {"nova.log from byte 4": "two\n"}, self.growing.more()
        )

    def test_a_log_that_begins_anew_is_read_from_its_begin(self) -> None:
        self.write("one\ntwo\n")
        self.growing.more()
        self.write("new\n", "w")
        self.assertEqual(
            {"nova.log from byte 0": "new\n"}, self.growing.more()
        )

    def test_what_is_no_log_is_not_read(self) -> None:
        (self.home / "nova.conf").write_text(f"password = {SECRET}\n")
        self.assertEqual({}, self.growing.more())
