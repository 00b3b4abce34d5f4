# SPDX-License-Identifier: Apache-2.0
"""A Postfix for tests, which delivers to mailboxes of its own."""

from __future__ import annotations

import email
import email.message
import email.policy
import pathlib
import pwd
import shutil
import signal
import smtplib
from collections.abc import Sequence

from staffeln.tests.servers import process

PACKAGE = "postfix"
DOMAIN = "demo.example"
LARGEST = 200_000
"""Bytes of the largest message that it takes."""

_FOLDERS = [pathlib.Path(each) for each in ("/usr/sbin", "/usr/local/sbin")]
_DAEMONS = [
    pathlib.Path(each)
    for each in ("/usr/lib/postfix/sbin", "/usr/libexec/postfix")
]
_OWNER = "postfix"

_MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file_prefixes = {folder}
maillog_file = {folder}/mail.log
mail_owner = postfix
setgid_group = postdrop
myhostname = mail.{domain}
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = loopback-only
inet_protocols = ipv4
default_transport = error:nothing leaves this host
relay_transport = error:nothing leaves this host
smtputf8_enable = yes
virtual_mailbox_domains = {domain}
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = inline:{{ {mailboxes} }}
virtual_minimum_uid = 1
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
message_size_limit = {largest}
mailbox_size_limit = 0
virtual_mailbox_limit = 0
smtpd_tls_security_level = encrypt
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {key}
smtpd_helo_required = yes
smtpd_recipient_restrictions = reject_non_fqdn_recipient,
    reject_unauth_destination, permit
strict_rfc821_envelopes = yes
"""

_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
tlsmgr unix - - n 1000? 1 tlsmgr
anvil unix - - n - 1 anvil
error unix - - n - - error
retry unix - - n - - error
proxymap unix - - n - - proxymap
virtual unix - n n - - virtual
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix(process.Process):
    """A server with STARTTLS and a mailbox for each of some users."""

    def __init__(
        self,
        users: Sequence[str],
        certificate: pathlib.Path,
        key: pathlib.Path,
    ) -> None:
        """:raises ServerError: it cannot be started, in one line."""
        program = process.find("postfix", PACKAGE, _FOLDERS)
        # The script that starts it would not hand signals on.
        master = process.find("master", PACKAGE, _DAEMONS)
        folder = process.make_folder(None)
        folder.chmod(0o755)
        account = pwd.getpwnam(_OWNER)
        for name in ("queue", "data", "mail", "etc"):
            (folder / name).mkdir(mode=0o755)
        for name in ("data", "mail"):
            shutil.chown(folder / name, _OWNER)
        main = _MAIN.format(
            folder=folder,
            domain=DOMAIN,
            mailboxes=", ".join(f"{x}@{DOMAIN}={x}/" for x in users),
            uid=account.pw_uid,
            gid=account.pw_gid,
            largest=LARGEST,
            certificate=certificate,
            key=key,
        )
        (folder / "etc" / "main.cf").write_text(main)
        self._mail = folder / "mail"

        etc = str(folder / "etc")

        def command(port: int) -> list[str]:
            (folder / "etc" / "master.cf").write_text(
                _MASTER.format(port=port)
            )
            # It makes what is missing in the queue's folder.
            process.run_once([program, "-c", etc, "check"], folder)
            return [*process.as_user(None), master, "-c", etc, "-s"]

        super().__init__(folder, command, _answers, signal.SIGTERM)

    def mailbox(
        self, user: str, count: int
    ) -> list[email.message.EmailMessage]:
        """A user's messages, in no order, once there are so many.

        :raises ServerError: there are not.
        """
        folder = self._mail / user / "new"
        process.await_true(
            lambda: len(_files(folder)) >= count,
            f"{len(_files(folder))} of {count} messages for {user}",
        )
        return [
            email.message_from_bytes(
                path.read_bytes(), policy=email.policy.default
            )
            for path in _files(folder)
        ]


def _files(folder: pathlib.Path) -> list[pathlib.Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _answers(port: int) -> bool:
    try:
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
            return client.noop()[0] == 250
    except (OSError, smtplib.SMTPException):
        return False
