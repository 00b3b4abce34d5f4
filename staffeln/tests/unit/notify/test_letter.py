# SPDX-License-Identifier: Apache-2.0
"""A message says what it should, whatever names hold."""

import email
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
