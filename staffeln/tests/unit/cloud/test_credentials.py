# SPDX-License-Identifier: Apache-2.0
"""Credentials from three places, refused early where they cannot work."""

import os
from typing import Any

import fixtures
from oslo_config import cfg

from staffeln.cloud import credentials, options, settings
from staffeln.domain import errors
from staffeln.tests import base

CLOUDS = """
clouds:
  north:
    auth:
      auth_url: http://north.example/v3
      username: staffeln
      password: s3cret
      project_name: service
      user_domain_name: Default
      project_domain_name: Default
    region_name: North
    interface: internal
    block_storage_endpoint_override: http://cinder.example/v3
    verify: false
  app:
    auth_type: v3applicationcredential
    auth:
      auth_url: http://north.example/v3
      application_credential_id: x
      application_credential_secret: y
  bare:
    auth:
      auth_url: http://north.example/v3
      username: staffeln
      password: s3cret
"""

FILE = """
[openstack]
auth_type = password
auth_url = http://file.example/v3
username = staffeln
password = s3cret
user_domain_name = Default
project_name = service
project_domain_name = Default
"""

ENVIRONMENT = {
    "OS_AUTH_URL": "http://env.example/v3",
    "OS_USERNAME": "staffeln",
    "OS_PASSWORD": "s3cret",
    "OS_PROJECT_NAME": "service",
    "OS_USER_DOMAIN_NAME": "Default",
    "OS_PROJECT_DOMAIN_NAME": "Default",
    "OS_REGION_NAME": "Env",
}


class CredentialsCase(base.TestCase):
    """With a file of clouds and a configuration file."""

    def setUp(self) -> None:
        super().setUp()
        path = self.home / "clouds.yaml"
        path.write_text(CLOUDS)
        self.clouds = str(path)

    def set_environment(self, **values: str) -> None:
        for name, value in values.items():
            self.useFixture(fixtures.EnvironmentVariable(name, value))

    def read(self, text: str = "") -> settings.CloudSettings:
        path = self.home / "staffeln.conf"
        path.write_text(text or "[openstack]\n")
        conf = cfg.ConfigOpts()
        options.register_opts(conf)
        conf(["--config-file", str(path)], project="staffeln")
        return options.cloud_settings(conf)

    def refused(self, text: str = "") -> str:
        error = self.assertRaises(errors.ConfigurationError, self.read, text)
        self.assertNotIn("\n", str(error))
        self.assertNotIn("s3cret", str(error))
        return str(error)


class TestSources(CredentialsCase):
    """Where they come from."""

    def test_none_at_all_tells_the_three_ways(self) -> None:
        text = self.refused()
        for part in ("OS_AUTH_URL", "[openstack] cloud", "auth_type"):
            self.assertIn(part, text)

    def test_the_environment(self) -> None:
        self.set_environment(**ENVIRONMENT)
        found = self.read().credentials
        self.assertEqual("http://env.example/v3", found.auth["auth_url"])
        self.assertEqual("Env", found.region)
        self.assertEqual(("s3cret",), found.secrets)
        self.assertNotIn("s3cret", repr(found))

    def test_a_dollar_in_a_password_shows_nothing_of_it(self) -> None:
        for password in ("a$s3cret", "${s3cret}b"):
            words = self.refused(FILE.replace("s3cret", password))
            self.assertIn("[openstack] password: a $ in it", words)

    def test_a_password_that_refers_to_itself(self) -> None:
        words = self.refused(FILE.replace("s3cret", "$openstack.password"))
        self.assertIn("[openstack] password: it refers to itself", words)

    def test_a_named_cloud_goes_first(self) -> None:
        self.set_environment(OS_CLIENT_CONFIG_FILE=self.clouds, **ENVIRONMENT)
        found = self.read(FILE + "cloud = north\n").credentials
        self.assertEqual("http://north.example/v3", found.auth["auth_url"])
        self.assertEqual("North", found.region)
        self.assertEqual("internal", found.interface)
        self.assertIs(False, found.verify)
        self.assertEqual(
            {"block-storage": "http://cinder.example/v3"}, found.endpoints
        )

    def test_the_file_goes_before_the_environment(self) -> None:
        self.set_environment(**ENVIRONMENT)
        found = self.read(FILE).credentials
        self.assertEqual("http://file.example/v3", found.auth["auth_url"])
        self.assertIsNone(found.region)

    def test_another_section(self) -> None:
        text = FILE.replace("[openstack]", "[keystone]")
        found = self.read(f"{text}[openstack]\nauth_section = keystone\n")
        self.assertEqual(
            "http://file.example/v3", found.credentials.auth["auth_url"]
        )

    def test_os_cloud(self) -> None:
        self.set_environment(
            OS_CLIENT_CONFIG_FILE=self.clouds, OS_CLOUD="north"
        )
        self.assertEqual("North", self.read().credentials.region)

    def test_an_unknown_cloud(self) -> None:
        self.set_environment(OS_CLIENT_CONFIG_FILE=self.clouds)
        self.assertIn("south", self.refused("[openstack]\ncloud = south\n"))

    def test_a_file_of_clouds_that_is_broken(self) -> None:
        (self.home / "clouds.yaml").write_text("clouds: [")
        self.set_environment(OS_CLIENT_CONFIG_FILE=self.clouds)
        self.assertIn("north", self.refused("[openstack]\ncloud = north\n"))


class TestRefused(CredentialsCase):
    """What cannot work is refused at start."""

    def test_application_credentials(self) -> None:
        self.set_environment(OS_CLIENT_CONFIG_FILE=self.clouds)
        text = self.refused("[openstack]\ncloud = app\n")
        self.assertIn("cannot be scoped to other projects", text)

    def test_a_service_without_a_project(self) -> None:
        self.set_environment(OS_CLIENT_CONFIG_FILE=self.clouds)
        text = self.refused("[openstack]\ncloud = bare\n")
        self.assertIn("project_name", text)

    def test_what_is_missing_or_odd(self) -> None:
        auth = {
            "auth_url": "http://x/v3",
            "username": "u",
            "password": "s3cret",
            "project_name": "p",
        }
        table: list[tuple[str, dict[str, Any], str]] = [
            ("password", {"auth_url": None}, "auth_url is not set"),
            ("password", {"trust_id": "t"}, "trust"),
            ("v3token", {"token": "t"}, "cannot be renewed"),
            ("none", {}, "cannot be renewed"),
            ("nonsense", {}, "nonsense"),
            ("http_basic", {}, "does not ask Keystone"),
            ("v3applicationcredential", {}, "application credential"),
        ]
        for kind, changes, part in table:
            with self.subTest(kind=kind, changes=changes):
                known = settings.Credentials(
                    auth_type=kind, auth={**auth, **changes}, source="a test"
                )
                error = self.assertRaises(
                    errors.ConfigurationError, credentials.refuse_unfit, known
                )
                self.assertIn(part, str(error))

    def test_an_auth_url_that_is_none(self) -> None:
        for url in (
            "http://h:99999/v3",
            "http://h:50o0/v3",
            "http://h:0/v3",
            "http://[::1/v3",
            "http:///v3",
            "keystone.example:5000/v3",
            "ftp://h/v3",
        ):
            with self.subTest(url=url):
                text = self.refused(
                    FILE.replace("http://file.example/v3", url)
                )
                self.assertIn(f"auth_url is no URL: {url!r}", text)
                self.assertIn("[openstack] in the configuration", text)

    def test_a_password_in_a_url_is_not_repeated(self) -> None:
        text = self.refused(FILE.replace("//file.example", "//u:pw1@h:x"))
        self.assertNotIn("pw1", text)

    def test_an_endpoint_that_is_no_url(self) -> None:
        clouds = self.home / "clouds.yaml"
        clouds.write_text(CLOUDS.replace("//cinder.example", "//cinder:x"))
        self.set_environment(OS_CLIENT_CONFIG_FILE=self.clouds)
        text = self.refused("[openstack]\ncloud = north\n")
        self.assertIn("the endpoint of block-storage is no URL", text)

    def test_an_unknown_auth_type_in_the_file(self) -> None:
        text = self.refused("[openstack]\nauth_type = nonsense\n")
        self.assertIn("[openstack] auth_type", text)

    def test_a_key_without_a_certificate(self) -> None:
        self.assertIn("certfile", self.refused(f"{FILE}keyfile = /k\n"))


class TestOptions(CredentialsCase):
    """Options of the group."""

    def test_defaults(self) -> None:
        found = self.read(FILE)
        self.assertEqual(300, found.retry_timeout)
        self.assertEqual(30, found.max_retry_interval)
        self.assertEqual(frozenset({404}), found.skip_retry_codes)
        self.assertEqual(1000, found.page_size)

    def test_options_go_before_the_credentials(self) -> None:
        self.set_environment(**ENVIRONMENT)
        ca, cert, key = (self.home / name for name in ("ca", "c", "k"))
        for path in (ca, cert, key):
            path.touch()
        found = self.read(
            "[openstack]\nregion_name = West\ninterface = admin\n"
            f"cafile = {ca}\ncertfile = {cert}\nkeyfile = {key}\n"
            "skip_retry_codes = 404,503\npage_size = 7\n"
        )
        self.assertEqual("West", found.credentials.region)
        self.assertEqual("admin", found.credentials.interface)
        self.assertEqual(str(ca), found.credentials.verify)
        self.assertEqual((str(cert), str(key)), found.credentials.certificate)
        self.assertEqual(frozenset({404, 503}), found.skip_retry_codes)
        self.assertEqual(7, found.page_size)

    def test_insecure(self) -> None:
        cert = self.home / "c"
        cert.touch()
        found = self.read(f"{FILE}insecure = true\ncertfile = {cert}\n")
        self.assertIs(False, found.credentials.verify)
        self.assertEqual(str(cert), found.credentials.certificate)

    def test_certificates_that_are_not_there(self) -> None:
        for line in ("cafile = /none", "certfile = /none"):
            self.assertIn("/none", self.refused(f"{FILE}{line}\n"))

    def test_the_sample_has_all_options(self) -> None:
        ((group, listed),) = options.list_opts()
        self.assertEqual("openstack", group)
        names = {option.dest for option in listed}
        self.assertLessEqual({"cloud", "auth_type", "password"}, names)
        self.assertEqual([], [o.name for o in options.OPTIONS if not o.help])

    def test_nothing_of_the_host_is_read(self) -> None:
        self.assertNotIn("OS_AUTH_URL", os.environ)
