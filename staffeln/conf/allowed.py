# SPDX-License-Identifier: Apache-2.0
"""What an option may be, in words: for who wrote something else.

The types of oslo.config say what Python said, such as ``invalid literal for
int() with base 10``, and not what would have been right.
"""

from __future__ import annotations

from oslo_config import cfg, types

from staffeln.conf import files, opts

_OF_OSLO_SERVICE = (
    cfg.IntOpt("graceful_shutdown_timeout", default=60, min=0),
    cfg.BoolOpt("log_options", default=True),
)
"""As that library has them; its own list loads too much."""


def find(conf: cfg.ConfigOpts, group: str | None, name: str) -> cfg.Opt | None:
    """An option of ours, or of a library that logs or serves."""
    listed = [
        *opts.list_opts(conf),
        *files.of_libraries(),
        (None, _OF_OSLO_SERVICE),
    ]
    for title, options in listed:
        if (str(title) if title else None) == group:
            for option in options:
                if option.dest == name:
                    return option
    return None


def words(option: cfg.Opt) -> str | None:
    """What a value must be; None: the option's own type says it better."""
    kind = option.type
    if isinstance(kind, types.List):
        each = _noun(kind.item_type)
        return each and f"must be {each}, or several with commas between"
    noun = _noun(kind)
    return noun and f"must be {noun}"


def _noun(kind: object) -> str | None:
    if isinstance(kind, types.Boolean):
        return "true or false"
    if isinstance(kind, types.Integer):
        return f"a whole number{_bounds(kind)}"
    if isinstance(kind, types.Float):
        return f"a number{_bounds(kind)}"
    if isinstance(kind, types.HostAddress):
        return "the name or the address of a host"
    if isinstance(kind, types.String) and kind.choices:
        names = [str(each) or "empty" for each in kind.choices]
        return f"{', '.join(names[:-1])} or {names[-1]}"
    return None


def _bounds(kind: types.Number) -> str:
    least, most = (
        # 1e6 reads badly, and 0.0 is no whole number.
        str(int(bound) if bound == int(bound) else bound)
        if bound is not None
        else ""
        for bound in (kind.min, kind.max)
    )
    if least and most:
        return f" from {least} to {most}"
    if least or most:
        return f", {least} or more" if least else f", {most} or less"
    return ""
