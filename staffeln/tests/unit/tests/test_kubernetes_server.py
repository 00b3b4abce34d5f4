# SPDX-License-Identifier: Apache-2.0
"""The API server that tests start is the one that is built for them."""

import pathlib
from unittest import mock

import yaml

from staffeln.tests import base
from staffeln.tests.servers import kubernetes

_BUILD = pathlib.Path(__file__).parents[4] / "tools/lib/kube_apiserver.sh"


class BuildTest(base.TestCase):
    def test_the_version_is_the_one_that_is_built(self) -> None:
        lines = _BUILD.read_text().splitlines()
        self.assertTrue(
            any(
                each.split(" #")[0] == f"KUBE_VERSION={kubernetes.VERSION}"
                for each in lines
            )
        )

    def test_it_is_looked_for_where_the_build_puts_it(self) -> None:
        for environment, cache in (
            ({"HOME": "/h"}, "/h/.cache/staffeln"),
            ({"HOME": "/h", "XDG_CACHE_HOME": "/x"}, "/x/staffeln"),
            ({"XDG_CACHE_HOME": "/x", "STAFFELN_CACHE": "/s"}, "/s"),
        ):
            with mock.patch.object(base, "HOST_ENVIRONMENT", environment):
                self.assertIn(
                    pathlib.Path(cache, "kube-apiserver", kubernetes.VERSION),
                    kubernetes.folders(),
                )


class RoleTest(base.TestCase):
    def test_the_documented_role_gives_no_more_than_it_says(self) -> None:
        made = list(yaml.safe_load_all(kubernetes.RBAC.read_text()))
        self.assertEqual(
            ["ServiceAccount", "Role", "RoleBinding"],
            [each["kind"] for each in made],
        )
        self.assertEqual(
            [
                (["leases"], ["staffeln-scheduler"], ["get", "update"]),
                (["leases"], None, ["create"]),
            ],
            [
                (x["resources"], x.get("resourceNames"), x["verbs"])
                for x in made[1]["rules"]
            ],
        )
