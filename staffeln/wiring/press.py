# SPDX-License-Identifier: Apache-2.0
"""What brings reports to people."""

from __future__ import annotations

import logging
import pathlib
from typing import TYPE_CHECKING

from oslo_config import cfg

from staffeln import ports
from staffeln.wiring import settings

if TYPE_CHECKING:
    from staffeln.notify.smtp import SmtpMailer
    from staffeln.workflow.press import Press

LOG = logging.getLogger(__name__)


def build(conf: cfg.ConfigOpts) -> Press:
    """What makes messages of reports, and brings them to people.

    :raises ConfigurationError: the file of authorities cannot be used.
    """
    from staffeln.report import Pages
    from staffeln.workflow.press import Press

    return Press(
        policy=settings.receivers_policy(conf),
        renderer=Pages(),
        mailer=mailer(conf),
        shelf=shelf(conf),
    )


def mailer(
    conf: cfg.ConfigOpts, longest: float | None = None
) -> SmtpMailer | None:
    """What sends mail; None: reports go into the log.

    :param longest: seconds that a step may take, where the option would
        allow for more.
    :raises ConfigurationError: the file of authorities cannot be used.
    """
    from staffeln.notify.server import Security, Server
    from staffeln.notify.smtp import SmtpMailer

    group = conf.notification
    if not group.sender_email:
        return None
    return SmtpMailer(
        Server(
            sender=group.sender_email,
            host=group.smtp_server_domain,
            port=group.smtp_server_port,
            security=Security(group.smtp_security),
            ca_file=group.smtp_ca_file or None,
            login=group.smtp_login or None,
            password=group.sender_pwd or None,
            timeout=(
                group.smtp_timeout
                if longest is None
                else min(group.smtp_timeout, longest)
            ),
        )
    )


def check_mail(conf: cfg.ConfigOpts) -> None:
    """Whether mail can be sent as configured; nobody is asked.

    :raises ConfigurationError: it cannot.
    """
    mailer(conf)
    group = conf.notification
    open_way = group.smtp_security == "none"
    if group.sender_email and group.sender_pwd and open_way:
        LOG.warning(
            "[notification] smtp_security = none: the password goes over "
            "the network as it is"
        )


def shelf(conf: cfg.ConfigOpts) -> ports.Shelf | None:
    """What keeps copies of reports; None: nobody wants them."""
    from staffeln.notify.files import ReportFolder

    folder = conf.notification.report_dir
    return ReportFolder(pathlib.Path(folder)) if folder else None
