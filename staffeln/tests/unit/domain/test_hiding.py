# SPDX-License-Identifier: Apache-2.0
import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from staffeln.domain import hiding
from staffeln.tests import base

REQUEST = "req-1f2e3d4c-0000-4000-8000-123456789abc"


class HidingTest(base.TestCase):
    def test_what_is_hidden(self) -> None:
        for said, left in {
            "host ctl1@lvm#LVM is down": "host [host] is down",
            "host compute-03 is down": "host [host] is down",
            "HTTPSConnectionPool(host='rgw', port=443): Max retries "
            "exceeded with url: /swift/v1/a?b=c": (
                "HTTPSConnectionPool(host='[host]', port=443): Max retries "
                "exceeded with url: [path]"
            ),
            "caused by https://user:pw@rgw.example:8080/v1?x=y#z": (
                "caused by [address]"
            ),
            "no answer from 10.1.2.3:8776": "no answer from [address]",
            "no route to 2001:db8::5, fe80::1%eth0": (
                "no route to [address], [address]"
            ),
            "('10.0.0.5', 5672) closed": "('[address]', 5672) closed",
            "[::1]:5672 closed": "[address] closed",
            "net 10.0.0.0/24": "net [address]",
            "No space left: '/var/lib/cinder/mount/x'": (
                "No space left: '[path]'"
            ),
            "nas1:/export/backup is full": "[path] is full",
            "10.0.0.1:/export is full": "[path] is full",
            "ctl01.dc1.example.com refused": "[host] refused",
            "amqp on rabbit1:5672 closed": "amqp on [host] closed",
            "iqn.2010-10.org.openstack:volume-1 lost": "[address] lost",
            f"Cinder: no ({REQUEST}, POST /v3/p/backups)": (
                f"Cinder: no ({REQUEST})"
            ),
            "Cinder: no (DELETE /v3/p/backups/1)": "Cinder: no",
        }.items():
            self.assertEqual(left, hiding.for_tenants(said))

    def test_what_stays(self) -> None:
        for said in (
            "volume 3f9c1d2e-1111-4222-8333-444455556666 is in error status",
            "timed out: still creating after 1d",
            "postponed until 2026-11-20 02:00:05Z, or 02:00:05 or 12:30",
            "over quota: 4.8 of 10 GiB and/or 1/2, n/a, version 3.43",
            "host is down; the nodes are down. Really.",
            "",
        ):
            self.assertEqual(said, hiding.for_tenants(said))

    def test_only_so_much_is_read(self) -> None:
        self.assertEqual(
            hiding.LONGEST_TEXT, len(hiding.for_tenants("a-." * 10000))
        )

    @given(
        st.ip_addresses(),
        st.sampled_from(("{}", "at {}.", "({})", "'{}'", "x={}, y", "<{}>")),
    )
    def test_no_address_is_left(
        self,
        address: ipaddress.IPv4Address | ipaddress.IPv6Address,
        pattern: str,
    ) -> None:
        said = pattern.format(address)
        self.assertEqual(pattern.format("[address]"), hiding.for_tenants(said))

    @given(
        st.lists(
            st.from_regex(r"[a-zA-Z0-9._+-]{1,12}", fullmatch=True),
            min_size=1,
            max_size=5,
        ),
        st.sampled_from(
            ("{}", "at {}", "({})", "'{}'", "x={}, y", "open {}:")
        ),
    )
    def test_no_path_is_left(self, names: list[str], pattern: str) -> None:
        said = hiding.for_tenants(pattern.format("/" + "/".join(names)))
        self.assertEqual(pattern.format("[path]"), said)
