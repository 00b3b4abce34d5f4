# SPDX-License-Identifier: Apache-2.0
"""All options are looked at once, at the start, and not when first used."""

from __future__ import annotations

import logging
import math
import os
import urllib.parse
from collections.abc import Callable, Iterator

from oslo_config import cfg

from staffeln.conf import allowed, earlier, files, opts
from staffeln.domain import errors

_LONGEST_TEXT = 80
_NO_REFERENCE = (
    cfg.NoSuchGroupError,
    cfg.NoSuchOptError,
    cfg.TemplateSubstitutionError,
)
_MEANING_IN_URLS = frozenset("?#%")
_JITTER = 1.2
_LONGEST_SHUTDOWN = 365 * 86400
_EMPTY = "must not be empty"
_NUMBERS_OF_LIBRARIES = (
    "graceful_shutdown_timeout",
    "log_rotate_interval",
    "max_logfile_count",
    "max_logfile_size_mb",
    "rate_limit_burst",
    "rate_limit_interval",
)
_PLAIN_PATH = "must be an absolute path without ?, # and %"


def check(conf: cfg.ConfigOpts) -> None:
    """Look at every value, and at those that have to fit each other.

    :raises ConfigurationError: the first that is wrong: its group, name,
        value and why, in one line.
    """
    earlier.say_ourselves()
    for group, name in _registered(conf):
        _check_one(conf, group, name)
    for group, looks in _TOGETHER.items():
        if opts.is_registered(conf, group):
            for look in looks:
                look(conf)


def refusal(
    conf: cfg.ConfigOpts | None, group: str | None, name: str, why: str
) -> errors.ConfigurationError:
    """The error that names an option, its text where that is no secret."""
    shown = _shown(conf, group or "DEFAULT", name) if conf else ""
    return errors.ConfigurationError(
        f"[{group or 'DEFAULT'}] {name}{shown}: {one_line(why)}"
    )


def one_line(text: str) -> str:
    """A text without line breaks and what a terminal would obey."""
    words = " ".join(text.split())
    return "".join(x if x.isprintable() else "?" for x in words)


def _registered(conf: cfg.ConfigOpts) -> Iterator[tuple[str | None, str]]:
    for name in conf:
        try:
            value = conf[name]
        except (cfg.Error, ValueError, RecursionError):
            value = None
        if isinstance(value, cfg.ConfigOpts.GroupAttr):
            yield from ((name, each) for each in value)
        else:
            yield None, name


def _check_one(conf: cfg.ConfigOpts, group: str | None, name: str) -> None:
    try:
        value = conf[name] if group is None else conf[group][name]
    except RecursionError:
        why = "it refers to itself"
        raise refusal(conf, group, name, why) from None
    except (cfg.Error, ValueError) as error:
        why = _why(conf, group, name, error)
        raise refusal(conf, group, name, why) from None
    # What is no number is neither more nor less than any bound.
    if isinstance(value, float) and not math.isfinite(value):
        option = allowed.find(conf, group, name)
        why = (option and allowed.words(option)) or "must be a number"
        raise refusal(conf, group, name, why)


def _why(
    conf: cfg.ConfigOpts, group: str | None, name: str, error: Exception
) -> str:
    """What is allowed, or what the type said without words around it."""
    if isinstance(error, _NO_REFERENCE):
        return errors.NO_SUCH_REFERENCE
    option = allowed.find(conf, group, name)
    if option is not None and (words := allowed.words(option)):
        return words
    cause = error.__context__
    if isinstance(error, cfg.ConfigSourceValueError) and cause is not None:
        return str(cause)
    return str(error)


def _shown(conf: cfg.ConfigOpts, group: str, name: str) -> str:
    """``= 'text'`` of an option that is known to be no secret."""
    option = allowed.find(conf, None if group == "DEFAULT" else group, name)
    if option is None or option.secret:
        return ""
    text = _text(conf, group, option)
    return "" if text is None else f" = {text[:_LONGEST_TEXT]!r}"


def _text(conf: cfg.ConfigOpts, group: str, option: cfg.Opt) -> str | None:
    """The text that governs: of the environment, or of the last file."""
    variable = f"OS_{group}__{option.dest}".upper()
    if variable in os.environ:
        return os.environ[variable]
    names = {option.dest, *(each.name for each in option.deprecated_opts)}
    texts = [
        line.text
        for line in files.lines(conf)
        if line.group == group and line.name in names
    ]
    return texts[-1] if texts else None


# -- what has to fit together ------------------------------------------------


def _none_is_empty(conf: cfg.ConfigOpts) -> None:
    """A number without digits is None to oslo.config, whatever its min."""
    for listed, options in opts.list_opts(conf):
        group = str(listed) if listed else None
        for option in options:
            read = conf[group] if group else conf
            # Those of an authentication plugin come later, with it.
            if option.default is None or option.dest not in read:
                continue
            if read[option.dest] is None:
                raise refusal(conf, group, option.dest, _EMPTY)
    for name in _NUMBERS_OF_LIBRARIES:
        if name in conf and conf[name] is None:
            raise refusal(conf, None, name, _EMPTY)


def _log_levels_are_levels(conf: cfg.ConfigOpts) -> None:
    """oslo.log names the level alone, and no option."""
    known = logging.getLevelNamesMapping()
    for pair in conf.default_log_levels:
        level = pair.partition("=")[2]
        if level not in known and not level.isdecimal():
            why = (
                f"{pair!r} is no pair of a logger and its level, such as "
                "amqp=WARNING"
            )
            raise refusal(conf, None, "default_log_levels", why)


def _rotation_goes_on(conf: cfg.ConfigOpts) -> None:
    """Else the standard library adds nothing to a time, again and again."""
    if (
        conf.log_rotation_type.lower() == "interval"
        # Its numbers are days of the week, and 0 is Monday.
        and conf.log_rotate_interval_type.lower() != "weekday"
        and conf.log_rotate_interval < 1
    ):
        why = "must be 1 or more"
        raise refusal(conf, None, "log_rotate_interval", why)


def _keys_differ(conf: cfg.ConfigOpts) -> None:
    key = conf.conductor.backup_metadata_key
    if key and key == conf.conductor.retention_metadata_key:
        why = "must differ from backup_metadata_key"
        raise refusal(conf, "conductor", "retention_metadata_key", why)


def _backoff_grows(conf: cfg.ConfigOpts) -> None:
    first = conf.conductor.failure_backoff
    if conf.conductor.failure_backoff_max.fixed < first.fixed:
        why = f"must not be shorter than failure_backoff ({first})"
        raise refusal(conf, "conductor", "failure_backoff_max", why)


def _shutdown_has_a_time(conf: cfg.ConfigOpts) -> None:
    """One that no timer can have would only be noticed at the end."""
    seconds = conf.graceful_shutdown_timeout
    if seconds is not None and not 0 <= seconds <= _LONGEST_SHUTDOWN:
        why = f"must be from 0 (no limit) to {_LONGEST_SHUTDOWN} seconds"
        raise refusal(conf, None, "graceful_shutdown_timeout", why)


def _state_path_is_absolute(conf: cfg.ConfigOpts) -> None:
    if not _is_plain_path(conf.state_path):
        raise refusal(conf, None, "state_path", _PLAIN_PATH)


def _is_plain_path(path: str) -> bool:
    """A path that can be part of a URL as it stands."""
    return (
        os.path.isabs(path)
        and path.isprintable()
        and not set(path) & _MEANING_IN_URLS
    )


def _settling_outlasts_silence(conf: cfg.ConfigOpts) -> None:
    """Whoever is taken for dead may send a last call shortly after."""
    silence = conf.conductor.heartbeat_timeout
    if conf.openstack.create_settle_time.fixed < silence.fixed:
        why = f"must not be shorter than heartbeat_timeout ({silence})"
        raise refusal(conf, "openstack", "create_settle_time", why)


def _lookups_end_first(conf: cfg.ConfigOpts) -> None:
    """While a call may still show, absent and orphaned mean nothing."""
    settling = conf.openstack.create_settle_time
    for name in ("absence_settle_time", "orphan_settle_time"):
        if conf.conductor[name].fixed < settling.fixed:
            why = f"must not be shorter than create_settle_time ({settling})"
            raise refusal(conf, "conductor", name, why)


def _lease_durations_fit(conf: cfg.ConfigOpts) -> None:
    """client-go's rule: retries fit the deadline, the deadline the lease."""
    group = conf.coordination
    deadline, retry = group.lease_renew_deadline, group.lease_retry_period
    if group.lease_duration <= deadline:
        why = f"must be longer than lease_renew_deadline ({deadline})"
        raise refusal(conf, "coordination", "lease_duration", why)
    if deadline <= _JITTER * retry:
        why = f"must be longer than 1.2 x lease_retry_period ({retry})"
        raise refusal(conf, "coordination", "lease_renew_deadline", why)


def _certificate_is_given(conf: cfg.ConfigOpts) -> None:
    if conf.api.enabled_ssl and not conf.api.ssl_cert_file:
        why = "must be set with enabled_ssl"
        raise refusal(conf, "api", "ssl_cert_file", why)


def _clients_are_asked_by_tls(conf: cfg.ConfigOpts) -> None:
    """A check of clients that does not happen must not be believed in."""
    if conf.api.ssl_ca_file and not conf.api.enabled_ssl:
        why = "needs enabled_ssl: without TLS no client shows a certificate"
        raise refusal(conf, "api", "ssl_ca_file", why)


def _ports_differ(conf: cfg.ConfigOpts) -> None:
    group = conf.api
    if group.metrics_enabled and group.metrics_port == group.port:
        raise refusal(conf, "api", "metrics_port", "must differ from port")


def _a_sender_has_a_server(conf: cfg.ConfigOpts) -> None:
    group = conf.notification
    if group.sender_email and not group.smtp_server_domain:
        why = "must be set with sender_email"
        raise refusal(conf, "notification", "smtp_server_domain", why)
    if not group.sender_email:
        return
    login = group.smtp_login or group.sender_email
    # The standard library's logins know no other letters.
    if group.sender_pwd and not group.sender_pwd.isascii():
        why = "must not have letters beyond ASCII"
        raise refusal(conf, "notification", "sender_pwd", why)
    if group.sender_pwd and not login.isascii():
        why = "must not have letters beyond ASCII; unset it is sender_email"
        raise refusal(conf, "notification", "smtp_login", why)


def _report_paths_are_absolute(conf: cfg.ConfigOpts) -> None:
    for name in ("report_dir", "smtp_ca_file"):
        path = conf.notification[name]
        if path and not (os.path.isabs(path) and path.isprintable()):
            why = "must be an absolute path"
            raise refusal(conf, "notification", name, why)


def _heartbeat_is_http(conf: cfg.ConfigOpts) -> None:
    """Its words stay out of the line: it may hold a secret."""
    url = conf.notification.heartbeat_url
    if not url:
        return
    why = "must begin with http:// or https:// and a host"
    try:
        parts = urllib.parse.urlsplit(url)
        good = parts.port != 0 and bool(parts.hostname)
    except ValueError:
        good = False
    if not good or parts.scheme.lower() not in {"http", "https"}:
        raise refusal(conf, "notification", "heartbeat_url", why)
    if not url.isprintable() or " " in url or not url.isascii():
        why = (
            "must not have spaces, control characters or letters beyond "
            "ASCII: they are written as %XX, in names of hosts as xn--"
        )
        raise refusal(conf, "notification", "heartbeat_url", why)


_TOGETHER: dict[str, tuple[Callable[[cfg.ConfigOpts], None], ...]] = {
    "DEFAULT": (
        _none_is_empty,
        _state_path_is_absolute,
        _log_levels_are_levels,
        _rotation_goes_on,
    ),
    "conductor": (
        _keys_differ,
        _backoff_grows,
        _shutdown_has_a_time,
        _settling_outlasts_silence,
        _lookups_end_first,
    ),
    "coordination": (_lease_durations_fit,),
    "api": (
        _certificate_is_given,
        _clients_are_asked_by_tls,
        _ports_differ,
    ),
    "notification": (
        _a_sender_has_a_server,
        _report_paths_are_absolute,
        _heartbeat_is_http,
    ),
}
"""By the group whose reader wants it so."""
