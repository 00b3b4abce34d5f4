# SPDX-License-Identifier: Apache-2.0
"""A message says what it should, whatever names hold."""

import base64
import email
import email.header
import email.message
import email.policy

from hypothesis import given
from hypothesis import strategies as st

from staffeln.domain import errors, receivers, report
from staffeln.notify import letter
from staffeln.tests import base

ANYTHING = st.one_of(
    st.text(),
    st.text(
        alphabet='ab:\r\n\t\x00\u2028\u202e\ud800é🦄=?-.<>@"', max_size=80
    ),
)
HARMFUL = st.builds(
    lambda before, code, text, after: (
        before
        + "=?utf-8?"
        + (
            "b?" + base64.b64encode(text.encode()).decode()
            if code == "b"
            else "q?" + "".join(f"={x:02X}" for x in text.encode())
        )
        + "?="
        + after
    ),
    st.sampled_from(["", "a ", "a", "=?"]),
    st.sampled_from("bq"),
    st.sampled_from(
        ["x\r\nBcc: eve@evil.example", "x\r\n\r\nbody", "a\nb", ", <e@f>"]
    ),
    st.sampled_from(["", " b", "b", "?="]),
)
HEADERS = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Auto-Submitted",
    "X-Auto-Response-Suppress",
    "Precedence",
    "MIME-Version",
    "Content-Type",
]

PLAIN = [*HEADERS, "Content-Transfer-Encoding"]


def written(what: report.Rendered, message_id: str = "id") -> bytes:
    return letter.write(
        sender="backup@cloud.example",
        to=["ann@demo.example"],
        message_id=message_id,
        what=what,
        international=False,
    )


class TestLetter(base.TestCase):
    """One message."""

    @given(ANYTHING, ANYTHING, ANYTHING, ANYTHING, ANYTHING)
    def test_nothing_but_what_it_is_to_say(
        self, subject: str, text: str, html: str, name: str, message_id: str
    ) -> None:
        attachment = report.Attachment(
            name=name, media_type="text/csv", content=b"\r\n.\r\n\n"
        )
        content = written(
            report.Rendered(
                subject=subject,
                text=text,
                html=html,
                attachments=(attachment,),
            ),
            message_id,
        )
        self.assertTrue(content.isascii())
        self.assertNotIn(b"\x00", content)
        lines = content.split(b"\r\n")
        self.assertLess(max(map(len, lines)), 999)
        self.assertFalse(set(b"".join(lines)) & set(b"\r\n"))
        read = email.message_from_bytes(content, policy=email.policy.default)
        self.assertEqual(HEADERS, read.keys())
        self.assertEqual([], read.defects)
        self.assertEqual("ann@demo.example", read["To"])
        self.assertRegex(
            read["Message-ID"], r"\A<[A-Za-z0-9._-]+@cloud\.example>\Z"
        )
        self.assertEqual(letter.one_line(subject)[:40], read["Subject"][:40])
        (attached,) = read.iter_attachments()
        self.assertEqual(attachment.content, attached.get_payload(decode=True))
        self.assertRegex(attached.get_filename() or "", r"\A\w[\w.-]*\Z")

    @given(HARMFUL, st.booleans())
    def test_what_looks_encoded_is_not_decoded(
        self, text: str, international: bool
    ) -> None:
        content = letter.write(
            sender="backup@cloud.example",
            to=["ann@demo.example"],
            message_id=text,
            what=report.Rendered(subject=text, text=text, html=text),
            international=international,
        )
        read = email.message_from_bytes(content)
        self.assertEqual(HEADERS, read.keys())
        (subject,) = email.header.decode_header(read["Subject"])
        words, code = subject
        assert isinstance(words, bytes)
        self.assertEqual((text, "utf-8"), (words.decode(), code))

    @given(HARMFUL, st.booleans())
    def test_no_address_brings_another_header(
        self, local: str, international: bool
    ) -> None:
        address = f"{local}@demo.example"
        self.assertRaises(errors.MailError, letter.to_ascii, address)
        for sender, to in (
            (address, "ann@demo.example"),
            ("ann@demo.example", address),
        ):
            # As if it had been taken for an address.
            try:
                content = letter.write(
                    sender=sender,
                    to=[to],
                    message_id="id",
                    what=report.Rendered(subject="s", text="t", html=""),
                    international=international,
                )
            except errors.MailError as error:
                self.assertIn("would be read as another", str(error))
                continue
            lines = content.split(b"\r\n")
            self.assertIn(f"From: Staffeln <{sender}>".encode(), lines)
            self.assertIn(f"To: {to}".encode(), lines)
            read = email.message_from_bytes(
                content, policy=email.policy.default
            )
            self.assertEqual(sorted(PLAIN), sorted(read.keys()))
            self.assertEqual(to, read["To"].addresses[0].addr_spec)

    def test_no_files_are_said_to_be_left_out_that_were_none(self) -> None:
        for files in ((), None):
            what = report.Rendered(subject="s", text="t", html="")
            content = letter.write(
                sender="a@b.example",
                to=["c@d.example"],
                message_id="id",
                what=what,
                international=False,
                with_files=files is not None,
            )
            self.assertNotIn(b"left out", content)
            self.assertIn(b"text/plain", content)
            self.assertNotIn(b"text/html", content)

    @given(st.one_of(st.emails(), ANYTHING))
    def test_an_address_stays_one(self, address: str) -> None:
        try:
            coded = letter.to_ascii(address)
        except errors.MailError as error:
            self.assertEqual(1, len(str(error).splitlines()))
            return
        self.assertIsNone(receivers.fault(coded), coded)
        self.assertTrue(coded.rpartition("@")[2].isascii())
