# SPDX-License-Identifier: Apache-2.0
import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from staffeln.domain import hiding
from staffeln.tests import base

REQUEST = "req-1f2e3d4c-0000-4000-8000-123456789abc"

OURS = (
    "volume {} is in error_deleting status",
    "volume {} is attached to server {}",
    "server {} does not carry __staffeln_backup=true any more",
    "server {} is not in Nova's list any more",
    "it is not attached to server {} any more, nor to another selected one",
    "server {} was deleted; until it is reclaimed it may come back",
    "server {} could not be read (status ACTIVE)",
    "backup {}: held by backup {}, which depends on it",
    "backup {} of 2026-01-01 12:00:10Z",
    "backup {} vanished from Cinder",
    "'1 moon' of server {} is no duration; the longer of the default and the "
    "last value that was one counts",
    "full backup {} is available after 10 s",
    "timed out: backup {} is still creating after 1d",
    "project {} is over quota: 4 of 4 backups",
    "no such volume: volume-{}",
    "snapshot _snapshot-{} (HTTP 404)",
)
"""Reasons as Staffeln and Cinder word them, with ids."""


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

    def test_short_names_are_hidden(self) -> None:
        for said, left in {
            "Backup service cinder-bak01 is down": (
                "Backup service [host] is down"
            ),
            "Unable to reach storage01.": "Unable to reach [host].",
            "Unable to reach filer": "Unable to reach [host]",
            "could not connect to the host 'nas'": (
                "could not connect to the host '[host]'"
            ),
            "Failed on storage-node-1": "Failed on [host]",
            "Failed on ceph-mon, again": "Failed on [host], again",
            "server 'blk-3' unreachable": "server '[host]' unreachable",
            "{'host': 'abc'}": "{'host': '[host]'}",
            "ctl01.dc1 and rbd_02": "[host] and [host]",
            r"no share \\fileserver\share": "no share [path]",
            r"('\\\\nas\\share\\x', 5)": "('[path]', 5)",
        }.items():
            self.assertEqual(left, hiding.for_tenants(said))

    def test_secrets_are_hidden(self) -> None:
        for said, left in {
            "password=geheim, so": "password=[secret], so",
            "{'admin_pass': 1, 'rbd_secret': 'a b'}": (
                "{'admin_pass': 1, 'rbd_secret': [secret]}"
            ),
            "X-Auth-Token: gAAAAABsecretsecretsecret": (
                "X-Auth-Token: [secret]"
            ),
            "Authorization: Bearer abcdefghij": (
                "Authorization: Bearer [secret]"
            ),
            "said gAAAAABsecretsecretsecret twice": "said [secret] twice",
        }.items():
            self.assertEqual(left, hiding.for_tenants(said))

    def test_what_stays(self) -> None:
        for said in (
            "volume 3f9c1d2e-1111-4222-8333-444455556666 is in error status",
            "timed out: still creating after 1d",
            "postponed until 2026-11-20 02:00:05Z, or 02:00:05 or 12:30",
            "over quota: 4.8 of 10 GiB and/or 1/2, n/a, version 3.43",
            "host is down; the nodes are down. Really.",
            "no cinder-backup service is up",
            "Volume backend is unavailable, the token is too old",
            "volume is on in-use or read-only; HTTP 503, errno 5, TLSv1.3",
            "its last backup of 2026-01-01 12:00:10Z is younger than the "
            "minimum interval, until 2026-01-02 12:00:10Z",
            "the selected volumes fell from 120 to 7",
            "waited for 1d12h on 4GiB",
            "",
        ):
            self.assertEqual(said, hiding.for_tenants(said))

    def test_only_so_much_is_read(self) -> None:
        self.assertEqual(
            hiding.LONGEST_TEXT, len(hiding.for_tenants("a-." * 10000))
        )

    def test_no_text_takes_long(self) -> None:
        """Steps of the engine cannot be counted; a loop would not end."""
        for unit in (
            "1", "a-", "a.", "on a-", "password", "a1", "\\\\", "host='",
            "1a", "f" * 32, "reach the ", ":1", "token:",
        ):  # fmt: skip
            hiding.for_tenants(unit * hiding.LONGEST_TEXT + "!")

    @given(
        st.uuids().map(str) | st.uuids().map(lambda each: each.hex),
        st.sampled_from(OURS),
    )
    def test_ids_and_our_reasons_stay(self, ours: str, pattern: str) -> None:
        said = pattern.format(ours, ours)
        self.assertEqual(said, hiding.for_tenants(said))

    @given(
        st.from_regex(
            r"[a-z]{2,8}(-[a-z]{2,8})?-?[0-9]{1,3}", fullmatch=True
        ).filter(lambda name: not hiding.is_no_host(name)),
        st.sampled_from(
            ("{}", "{}.", "'{}' is down", "on {}: no", "from {}", "x ({})")
        ),
    )
    def test_no_name_with_a_number_is_left(
        self, name: str, pattern: str
    ) -> None:
        said = hiding.for_tenants(pattern.format(name))
        self.assertEqual(pattern.format("[host]"), said)

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
