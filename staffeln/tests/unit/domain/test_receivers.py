# SPDX-License-Identifier: Apache-2.0
"""Who gets a report: nobody whom it does not concern."""

import datetime
import email.header
import email.headerregistry

from hypothesis import example, given
from hypothesis import strategies as st

from staffeln.domain import receivers, report
from staffeln.tests import base

NOW = datetime.datetime(2026, 5, 1)  # noqa: DTZ001 - UTC, naive
DAY = datetime.timedelta(days=1)

NAMES = st.one_of(
    st.sampled_from(
        ["demo", "Demo", "DEMO", "a.b", "a_b-c", "", "-x", ".x", "x.", "a..b"]
    ),
    st.text(max_size=70),
    st.text(alphabet='aA.-_+%!@"<>, \t\r\n\x00é', max_size=8),
)
ADDRESSES = st.one_of(
    st.emails(),
    st.text(max_size=30),
    st.text(alphabet='aB.@-_<>"(),:;[]\\ \r\n\té', max_size=12),
    st.builds(
        "{}=?{}?{}?{}?={}@{}".format,
        st.sampled_from(["", "a", "=", "?"]),
        st.sampled_from(["utf-8", "us-ascii", "utf-8*en"]),
        st.sampled_from("bqBQ"),
        st.text(alphabet="aYQ0KQmNjOg=_.", max_size=20),
        st.sampled_from(["", "b", "=", "?"]),
        st.sampled_from(["b", "c.example"]),
    ),
)


def project(name: str, number: int = 0) -> report.Project:
    return report.Project(id=f"p{number}", name=name, enabled=True)


def listed(*names: str, complete: bool = True) -> report.ProjectList:
    return report.ProjectList(
        projects=tuple(project(name, i) for i, name in enumerate(names)),
        complete=complete,
    )


def policy(**changes: object) -> receivers.Policy:
    values: dict[str, object] = {
        "sender": "backup@cloud.example",
        "project_domain": "projects.example",
    }
    return receivers.Policy(**{**values, **changes})  # type: ignore[arg-type]


def member(email_address: str) -> report.Member:
    return report.Member(user_id="u", name="u", email=email_address)


class TestOneMessage(base.TestCase):
    """The log, and one message for all."""

    def test_without_a_sender_all_goes_into_the_log(self) -> None:
        for each in (
            policy(sender=None),
            policy(sender=None, receivers=("a@b.example",)),
            policy(sender=None, operators=("a@b.example",)),
        ):
            self.assertEqual(receivers.THE_LOG, receivers.of_all(each))
            self.assertEqual(receivers.THE_LOG, receivers.operators(each))
            self.assertTrue(receivers.THE_LOG.found)

    def test_receivers_get_one_message_each_once(self) -> None:
        chosen = policy(
            receivers=("a@b.example", "c@d.example", "A@b.example")
        )
        found = receivers.of_all(chosen)
        assert found is not None
        self.assertEqual(("a@b.example", "c@d.example"), found.addresses)
        self.assertFalse(found.into_log)

    def test_else_each_project_has_its_own(self) -> None:
        self.assertIsNone(receivers.of_all(policy()))
        self.assertIsNone(receivers.of_all(policy(project_domain=None)))

    def test_operators_or_the_log(self) -> None:
        self.assertEqual(receivers.THE_LOG, receivers.operators(policy()))
        chosen = policy(operators=("ops@cloud.example",))
        self.assertEqual(
            ("ops@cloud.example",), receivers.operators(chosen).addresses
        )


class TestMailboxes(base.TestCase):
    """A project's name at the domain."""

    def of(
        self, name: str, *others: str, complete: bool = True
    ) -> receivers.Receivers:
        projects = listed(name, *others, complete=complete)
        return receivers.Mailboxes(policy(), projects).of("p0")

    def test_a_name_that_is_a_mailbox(self) -> None:
        for name in ("demo", "Demo-2", "a_b.c", "7", "_x"):
            self.assertEqual(
                (f"{name}@projects.example",), self.of(name).addresses
            )

    def test_a_name_that_is_none(self) -> None:
        for name in (
            "",
            "two words",
            "a@b",
            "a+b",
            "user%elsewhere.example",
            "elsewhere!user",
            '"a"',
            "a..b",
            ".a",
            "a.",
            "-a",
            "a\n",
            "a\r\nBcc: b",
            "ä",
            "a,b",
            "<a>",
            "a" * 65,
        ):
            found = self.of(name)
            self.assertFalse(found.found, name)
            self.assertEqual("its name is no mailbox", found.why_nobody)

    def test_a_name_that_others_have(self) -> None:
        for other in ("demo", "Demo", "DEMO"):
            self.assertIn("another project", self.of("demo", other).why_nobody)
        self.assertTrue(self.of("demo", "demo2").found)

    def test_a_name_that_others_may_have(self) -> None:
        self.assertIn("cut off", self.of("demo", complete=False).why_nobody)

    def test_a_project_that_is_not_known(self) -> None:
        boxes = receivers.Mailboxes(policy(), listed("demo"))
        self.assertIn("not known", boxes.of("p7").why_nobody)

    def test_no_domain(self) -> None:
        chosen = policy(project_domain=None)
        boxes = receivers.Mailboxes(chosen, listed("demo"))
        self.assertFalse(boxes.of("p0").found)

    @given(st.lists(NAMES, min_size=1, max_size=8), st.booleans())
    @example(["demo", "demo"], True)
    def test_no_two_projects_share_a_mailbox(
        self, names: list[str], complete: bool
    ) -> None:
        projects = listed(*names, complete=complete)
        boxes = receivers.Mailboxes(policy(), projects)
        seen: set[str] = set()
        for each in projects:
            found = boxes.of(each.id)
            self.assertNotEqual(found.found, bool(found.why_nobody))
            if not found.found:
                continue
            (address,) = found.addresses
            self.assertTrue(complete)
            self.assertIsNone(receivers.fault(address))
            self.assertEqual(f"{each.name}@projects.example", address)
            self.assertNotIn(address.lower(), seen)
            seen.add(address.lower())


class TestMembers(base.TestCase):
    """People."""

    def test_each_address_once(self) -> None:
        found = receivers.of_members(
            member(x) for x in ("a@b.example", "c@d.example", "A@B.example")
        )
        self.assertEqual(("a@b.example", "c@d.example"), found.addresses)

    def test_what_is_no_address_is_left_out(self) -> None:
        bad = ["", "x", "a@b\r\nBcc: c@d.example", "Ann <a@b.example>"]
        found = receivers.of_members(member(x) for x in bad)
        self.assertFalse(found.found)
        self.assertIn("no member", found.why_nobody)
        found = receivers.of_members(
            member(x) for x in [*bad, "good@b.example"]
        )
        self.assertEqual(("good@b.example",), found.addresses)


class TestPatience(base.TestCase):
    """What finds no reader."""

    def test_three_periods_after_it_was_due(self) -> None:
        chosen = policy(period=DAY)
        second = datetime.timedelta(seconds=1)
        for age, expected in (
            (DAY, False),
            (3 * DAY, False),
            (3 * DAY + second, True),
        ):
            self.assertIs(
                expected,
                receivers.is_undeliverable(chosen, NOW - age, NOW),
            )


class TestAddresses(base.TestCase):
    """What is an address."""

    def test_good_ones(self) -> None:
        for address in (
            "a@b",
            "first.last@sub.example.com",
            "o'neil+tag@example.com",
            "jörg@bücher.example",
            "user@localhost",
            "user@[192.0.2.1]",
            "user@[IPv6:2001:db8::1]",
            "!#$%&'*+/?^=_`{|}~-@example.com",
            f"{'a' * 64}@example.com",
        ):
            self.assertIsNone(receivers.fault(address), address)

    def test_bad_ones(self) -> None:
        for address in (
            "",
            "@",
            "a",
            "a@",
            "@b",
            "a@b@c",
            "a b@c",
            "a@b c",
            "a@b.",
            "a@.b",
            "a@-b",
            "a@b-",
            "a@b..c",
            "a@b_",
            ".a@b",
            "a.@b",
            "a..b@c",
            "a,b@c",
            "<a@b>",
            "A <a@b>",
            '"a b"@c',
            "a@b\n",
            "a\n@b",
            "a@b\r\nBcc: c@d",
            "a\x00@b",
            "a\u202e@b",
            "a\u2028@b",
            "a@b\u200b",
            "a\ud800@b",
            f"{'a' * 65}@b",
            f"{'ä' * 33}@b",
            f"a@{'b' * 64}.example",
            f"a@{'b.' * 130}example",
            "a@[192.0.2]",
            "=?utf-8?b?YQ0KQmNjOiBlQGUub3Jn?=@b",
            "a=?utf-8?q?a=0D=0ABcc:_b@c?=b@c",
            "=?@b",
            "?=@b",
        ):
            self.assertIsNotNone(receivers.fault(address), address)

    @given(ADDRESSES)
    def test_a_good_one_is_one_address_and_nothing_else(
        self, text: str
    ) -> None:
        if receivers.fault(text) is not None:
            return
        local, _, domain = text.rpartition("@")
        self.assertTrue(text.isprintable())
        self.assertFalse(set(text) & set(' <>()",;:\\\r\n') - set("[]:"))
        self.assertEqual(
            [(text, None)], email.header.decode_header(text), text
        )
        read = email.headerregistry.Address("", local, domain)
        self.assertEqual(text, f"{read.username}@{read.domain}")
        self.assertEqual(text, str(read))
