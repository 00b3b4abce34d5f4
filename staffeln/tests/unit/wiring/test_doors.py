# SPDX-License-Identifier: Apache-2.0
"""From a configuration to the doors to the outside."""

import dataclasses

import fixtures

from staffeln.cloud import options
from staffeln.domain import errors
from staffeln.tests.unit.wiring import configured
from staffeln.wiring import doors

CREDENTIALS = """
[openstack]
auth_type = password
auth_url = http://127.0.0.1:9/v3
username = u
password = p
project_name = service
user_domain_name = Default
project_domain_name = Default
"""


class DoorsTest(configured.ConfiguredTestCase):
    def test_without_credentials_there_is_no_cloud(self) -> None:
        self.assertRaises(errors.ConfigurationError, doors.cloud, self.read())

    def test_an_impatient_cloud_tries_once(self) -> None:
        seen = []
        settings = dataclasses.replace(
            options.cloud_settings(self.read(CREDENTIALS)),
            create_retry_timeout=60,
            connections=16 + 8 + doors.CONNECTIONS_OF_LOOPS,
        )

        def remember(found: object, **_: object) -> None:
            seen.append(found)

        with fixtures.MonkeyPatch(
            "staffeln.cloud.openstack.OpenStackCloud", remember
        ):
            doors.cloud(self.read(CREDENTIALS))
            doors.cloud(self.read(CREDENTIALS), patient=False)
        self.assertEqual(
            [settings, dataclasses.replace(settings, retry_timeout=0)], seen
        )

    def test_leadership_is_below_the_state_path(self) -> None:
        office = doors.leadership(self.read(), "me")
        self.addCleanup(office.close)
        self.assertIn(str(self.home), office.description)
        self.assertTrue(office.acquire())
