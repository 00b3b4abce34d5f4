# SPDX-License-Identifier: Apache-2.0
"""Which backend a URL names."""

from staffeln import leadership
from staffeln.domain import errors
from staffeln.tests import base


class ConnectTest(base.TestCase):
    def test_the_default_is_a_file_below_the_state_path(self) -> None:
        made = leadership.connect("", str(self.home), "me")
        self.addCleanup(made.close)
        self.assertEqual(
            f"file lock {self.home}/lock/scheduler", made.description
        )

    def test_a_file_url_names_another_folder(self) -> None:
        made = leadership.connect(f"file://{self.home}/b", "/nowhere", "me")
        self.addCleanup(made.close)
        self.assertEqual(
            f"file lock {self.home}/b/scheduler", made.description
        )

    def test_other_schemes_are_refused(self) -> None:
        for url in ("etcd3+http://h", "redis://h", "kubernetes://"):
            self.assertRaises(
                errors.ConfigurationError, leadership.connect, url, "/", "me"
            )

    def test_which_serve_one_host_only(self) -> None:
        self.assertTrue(leadership.is_local(""))
        self.assertTrue(leadership.is_local("file:///x"))
        self.assertFalse(leadership.is_local("redis://h"))
