# SPDX-License-Identifier: Apache-2.0

from staffeln import version
from staffeln.tests import base


class VersionTest(base.TestCase):
    def test_installed_version_is_of_this_series(self) -> None:
        self.assertTrue(version.version_string().startswith("3."))
