# SPDX-License-Identifier: Apache-2.0
"""What the configuration files literally say.

oslo.config looks up what it knows and never at what nobody asked for; so a
misspelt option is silently its default. This reads the files once more to
find those, and to show an operator the text that was refused.
"""

from __future__ import annotations

import dataclasses
import glob
import os
from collections.abc import Iterable, Iterator
from importlib import metadata
from typing import Any

from oslo_config import cfg

from staffeln.conf import earlier, opts

_FOREIGN_PREFIXES = ("oslo_", "keystone_")
"""Groups of libraries, whose options nobody registers before they run."""
_LIBRARIES = frozenset({"oslo.log"})
OF_THE_CONDUCTOR = frozenset({"graceful_shutdown_timeout", "log_options"})
"""Options of oslo.service, which not every program loads."""

_OF_THE_BUS = frozenset({"control_exchange", "transport_url"})
"""Options of oslo.messaging in [DEFAULT] that notifications read."""


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """One option as a file has it."""

    path: str
    group: str
    name: str
    text: str


def lines(conf: cfg.ConfigOpts) -> list[Line]:
    """Every option of every configuration file, in order of precedence.

    Files that cannot be read are left out: parsing has told of them.
    """
    return [line for path in paths(conf) for line in _read(path)]


def paths(conf: cfg.ConfigOpts) -> list[str]:
    """The configuration files in use, weakest first."""
    found = list(conf.config_file or [])
    for folder in conf.config_dir or []:
        found += sorted(glob.glob(os.path.join(folder, "*.conf")))
    return found


def unknown(conf: cfg.ConfigOpts) -> list[str]:
    """A sentence for each option in a file that nothing would read.

    Options of libraries that register theirs later are known, and so are
    those of earlier releases, which :func:`unread` names.
    """
    known = _known(conf)
    foreign = _credentials(conf) | opts.others(conf)
    return [
        f"{line.path}: option {line.name!r} in group [{line.group}] is not "
        "known and has no effect"
        for line in lines(conf)
        if not line.group.startswith(_FOREIGN_PREFIXES)
        and line.group not in foreign
        and line.name not in known.get(line.group, ())
    ]


def unread(conf: cfg.ConfigOpts) -> list[str]:
    """``[group] name`` of each option of release 2.x that files still set.

    This release knows them and does not read them; each with what holds.
    """
    found = (
        f"[{line.group}] {line.name} ({earlier.KNOWN[line.group][line.name]})"
        for line in lines(conf)
        if line.name in earlier.KNOWN.get(line.group, ())
    )
    return list(dict.fromkeys(found))


def renamed(conf: cfg.ConfigOpts) -> list[str]:
    """A sentence for each option that files set by a name that it had.

    It is read all the same, unless its new name is set as well.
    """
    now = {
        before: (group, option.dest)
        for title, options in [*opts.list_opts(conf), *of_libraries()]
        for group in [_group_name(title)]
        for option in options
        for before in _earlier_names(group, [option])
        if before not in ((group, option.dest), (group, option.name))
    }
    found = (
        f"{line.path}: option {line.name!r} in group [{line.group}] is "
        f"called {_place(now[line.group, line.name], line.group)} now; "
        "the old name will go"
        for line in lines(conf)
        if (line.group, line.name) in now
    )
    return list(dict.fromkeys(found))


def _place(option: tuple[str, str], seen_from: str) -> str:
    group, name = option
    return repr(name) if group == seen_from else f"{name!r} in [{group}]"


def _credentials(conf: cfg.ConfigOpts) -> set[str]:
    """Groups whose options a plugin of keystoneauth names when it loads."""
    if not opts.is_registered(conf, "openstack"):
        return {
            _normal(line.text)
            for line in lines(conf)
            if (line.group, line.name) == ("openstack", "auth_section")
        }
    group = conf.openstack.auth_section or "openstack"
    usual = group == "openstack" and conf.openstack.auth_type in (
        None,
        "password",
    )
    return set() if usual else {_normal(group)}


def _known(conf: cfg.ConfigOpts) -> dict[str, set[str]]:
    known = {"DEFAULT": {*OF_THE_CONDUCTOR, *_OF_THE_BUS}}
    for name in conf:
        value = _peek(conf, name)
        if isinstance(value, cfg.ConfigOpts.GroupAttr):
            known.setdefault(name.lower(), set()).update(value)
        else:
            known["DEFAULT"].add(name)
    for group, options in [*opts.list_opts(conf), *of_libraries()]:
        title = _group_name(group)
        for group_name, name in _earlier_names(title, options):
            known.setdefault(group_name, set()).add(name)
    for group_name, names in earlier.KNOWN.items():
        known.setdefault(group_name, set()).update(names)
    return known


def of_libraries() -> Iterator[tuple[Any, list[cfg.Opt]]]:
    """Options of libraries, as they show them to the sample's generator.

    What is registered of them is known anyway; this adds the names that
    they had in earlier releases.
    """
    for point in metadata.entry_points(group="oslo.config.opts"):
        if point.name in _LIBRARIES:
            yield from point.load()()


def _peek(conf: cfg.ConfigOpts, name: str) -> object:
    """A group, or anything else where the name is an option's."""
    try:
        return conf[name]
    except (cfg.Error, ValueError):
        return None


def _earlier_names(
    group: str, options: Iterable[cfg.Opt]
) -> Iterator[tuple[str, str]]:
    for option in options:
        yield group, option.dest
        for other in option.deprecated_opts:
            name = other.name or option.dest
            yield other.group or group, name
            yield other.group or group, name.replace("-", "_")


def _group_name(group: cfg.OptGroup | str | None) -> str:
    return "DEFAULT" if group is None else str(group)


def _read(path: str) -> list[Line]:
    sections: dict[str, dict[str, list[str]]] = {}
    try:
        cfg.ConfigParser(path, sections).parse()
    except (OSError, ValueError, cfg.ParseError):
        return []
    return [
        Line(path, _normal(section), name, texts[-1])
        for section, values in sections.items()
        for name, texts in values.items()
    ]


def _normal(section: str) -> str:
    """As oslo.config compares names of groups."""
    return section if section == "DEFAULT" else section.lower()
