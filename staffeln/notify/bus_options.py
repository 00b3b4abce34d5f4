# SPDX-License-Identifier: Apache-2.0
"""Options of oslo.messaging, looked at before they are used.

The library reads most of its own when it first connects: a wrong one would
be a bus that takes nothing, and not a start that fails.
"""

from __future__ import annotations

from oslo_config import cfg

from staffeln.domain import errors


def check(conf: cfg.ConfigOpts) -> None:
    """Read each option that the library registered, which it does not.

    :raises ConfigurationError: the first that cannot be read.
    """
    for group in conf:
        if not group.startswith("oslo_messaging"):
            continue
        for name in conf[group]:
            _look_at(conf, group, name)
    for name in ("transport_url", "control_exchange"):
        if name in conf:
            _look_at(conf, None, name)


def _look_at(conf: cfg.ConfigOpts, group: str | None, name: str) -> None:
    try:
        _ = conf[name] if group is None else conf[group][name]
    except (
        cfg.NoSuchGroupError,
        cfg.NoSuchOptError,
        cfg.TemplateSubstitutionError,
    ):
        why = errors.NO_SUCH_REFERENCE
    except RecursionError:
        why = "it refers to itself"
    except (cfg.Error, ValueError) as error:
        # Those that are secrets are texts, which can be anything.
        why = " ".join(str(error.__context__ or error).split())
    else:
        return
    raise errors.ConfigurationError(f"[{group or 'DEFAULT'}] {name}: {why}")
