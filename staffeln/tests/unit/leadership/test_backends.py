# SPDX-License-Identifier: Apache-2.0
"""Which backend the options name."""

import dataclasses

import fixtures

from staffeln import leadership
from staffeln.leadership import pod
from staffeln.tests import base


class ChoiceTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.settings = leadership.Settings(state_path=str(self.home))

    def described(self, **changes: object) -> str:
        chosen = dataclasses.replace(self.settings, **changes)  # type: ignore[arg-type]
        made = leadership.connect(chosen, "me")
        self.addCleanup(made.close)
        self.assertEqual(
            made.local,
            leadership.is_local(chosen),
        )
        return made.description

    def in_a_pod(self) -> None:
        """Make it look as if this process ran in a pod."""
        account = self.home / "serviceaccount"
        account.mkdir()
        (account / "token").write_text("geheim")
        (account / "namespace").write_text("backups\n")
        self.useFixture(
            fixtures.EnvironmentVariable("KUBERNETES_SERVICE_HOST", "10.0.0.1")
        )
        self.useFixture(
            fixtures.MonkeyPatch(f"{pod.__name__}.SERVICE_ACCOUNT", account)
        )

    def test_the_default_is_a_file_below_the_state_path(self) -> None:
        self.assertEqual(
            f"file lock {self.home}/lock/scheduler", self.described()
        )
        self.assertTrue(leadership.is_local(self.settings))

    def test_a_file_url_names_another_folder(self) -> None:
        self.assertEqual(
            f"file lock {self.home}/b/scheduler",
            self.described(backend_url=f"file://{self.home}/b"),
        )

    def test_a_pod_has_a_lease_unless_a_url_says_otherwise(self) -> None:
        self.in_a_pod()
        self.assertFalse(leadership.is_local(self.settings))
        self.assertEqual("backups", pod.namespace())
        self.assertIn(
            "file lock",
            self.described(backend_url=f"file://{self.home}/b"),
        )

    def test_outside_of_a_pod_a_kubeconfig_makes_it_a_lease(self) -> None:
        self.assertFalse(
            leadership.is_local(
                dataclasses.replace(self.settings, kubeconfig="/nowhere")
            )
        )

    def test_which_serve_one_host_only(self) -> None:
        for url, local in (
            ("file:///x", True),
            ("redis://h", False),
            ("mysql://h/x", False),
        ):
            self.assertEqual(
                local,
                leadership.is_local(
                    dataclasses.replace(self.settings, backend_url=url)
                ),
            )
