# SPDX-License-Identifier: Apache-2.0
"""``[notification]``: who is told what happened, and by which way."""

from __future__ import annotations

from oslo_config import cfg

from staffeln.conf import types

GROUP = cfg.OptGroup(
    "notification",
    title="Notification",
    help="Who is told what happened, and by which way.",
)

_READERS = [
    cfg.Opt(
        "sender_email",
        type=types.Address(),
        help="The address that reports come from. Unset: nothing is sent, "
        "and reports go into the log.",
    ),
    cfg.ListOpt(
        "receiver",
        item_type=types.Address(),
        default=[],
        help="Addresses, with commas between. They get one message with all "
        "projects whose reports are due, and nobody else gets any. Empty: "
        "each project gets a message of its own.",
    ),
    cfg.Opt(
        "project_receiver_domain",
        type=types.MailDomain(),
        help="Reports of a project go to its name at this domain, where the "
        "name is a mailbox (letters, digits, hyphens, underscores, dots "
        "between them) and no other project of any domain has it; other "
        "projects' go to their members. Whoever may name projects chooses "
        "whom they go to: give it a domain of its own. Unset: members only.",
    ),
    cfg.ListOpt(
        "report_roles",
        default=["member"],
        help="A project's members are its enabled users with an e-mail "
        "address in Keystone and one of these roles, assigned in the project "
        "or inherited from one above it, to them or to a group, or implied. "
        "Roles by a domain or the system do not count. Empty: members are "
        "never written to.",
    ),
    cfg.ListOpt(
        "operator_receiver",
        item_type=types.Address(),
        default=[],
        help="Addresses of operators, with commas between. They get a "
        "summary of what reports told, at most one in a report_period, and "
        "the reports that found no reader for three report_periods after "
        "they were due. Empty: both go into the log alone.",
    ),
    cfg.StrOpt(
        "report_dir",
        help="An absolute path of a folder. A copy of each report that is "
        "sent or logged is written there as HTML, text and CSV. Nothing "
        "removes old ones. A folder that cannot be written to makes a line "
        "in the log and holds nothing up. Unset: no copies.",
    ),
    cfg.StrOpt(
        "heartbeat_url",
        secret=True,
        help="A URL (http or https) that is called after each backup cycle "
        "with a complete harvest, for a service that calls somebody when it "
        "hears nothing (a dead man's switch). A call that fails makes a line "
        "in the log and holds nothing up. Unset: none is called.",
    ),
]

_SERVER = [
    cfg.Opt(
        "smtp_server_domain",
        type=types.Host(),
        help="Name or address of the mail server. Must be set with "
        "sender_email. Its certificate has to be made for this name.",
    ),
    cfg.PortOpt(
        "smtp_server_port",
        min=1,
        help="Port of the mail server. Unset: 587 with starttls, 465 with "
        "tls, 25 with none.",
    ),
    cfg.StrOpt(
        "smtp_security",
        default="starttls",
        choices=[
            ("none", "Everything goes as it is, the password too."),
            ("starttls", "Begins plain; nothing is sent if TLS is refused."),
            ("tls", "TLS from the first byte."),
        ],
        help="How the way to the mail server is secured. With starttls and "
        "tls its certificate is checked, and a server whose certificate is "
        "wrong gets no message.",
    ),
    cfg.StrOpt(
        "smtp_ca_file",
        help="A file with the certificates of authorities that may have "
        "signed the mail server's, in PEM. Unset: those of this host.",
    ),
    cfg.StrOpt(
        "smtp_login",
        help="Whom to log in as, with sender_pwd. Unset: sender_email.",
    ),
    cfg.StrOpt(
        "sender_pwd",
        secret=True,
        help="Password for the mail server. Unset: nobody logs in.",
    ),
    cfg.FloatOpt(
        "smtp_timeout",
        default=60,
        min=0.1,
        max=3600,
        help="Seconds that the mail server may take for each step. Ten times "
        "as long for all steps of a message together, and once more for the "
        "last one, where it takes the message: without its answer the same "
        "message is sent again in the next round, so that it may come twice.",
    ),
]

OPTS = [*_READERS, *_SERVER]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the group and its options."""
    conf.register_group(GROUP)
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[cfg.OptGroup | None, list[cfg.Opt]]]:
    """The options, for the sample and the docs."""
    return [(GROUP, OPTS)]
