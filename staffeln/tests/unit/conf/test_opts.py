# SPDX-License-Identifier: Apache-2.0
"""The options themselves: each is read, and says what it does."""

import ast
import pathlib

import staffeln
from staffeln import conf
from staffeln.cloud import options as cloud_options
from staffeln.conf import (
    api,
    conductor,
    coordination,
    metrics,
    notification,
    openstack,
)
from staffeln.tests import base

_ROOT = pathlib.Path(staffeln.__file__).parent

OURS = [
    *api.OPTS,
    *conductor.OPTS,
    *coordination.OPTS,
    *coordination.TOP_OPTS,
    *metrics.OPTS,
    *notification.OPTS,
    *openstack.OPTS,
    *cloud_options.OPTIONS,
]


def read_names() -> set[str]:
    """Every attribute that the source outside conf/ and tests/ reads."""
    names: set[str] = set()
    for path in _ROOT.rglob("*.py"):
        room = path.relative_to(_ROOT).parts[0]
        if room in ("conf", "tests"):
            continue
        names |= {
            node.attr
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Attribute)
        }
    return names


class OptionTest(base.TestCase):
    def test_every_option_is_read_by_something(self) -> None:
        self.assertEqual(
            set(), {option.dest for option in OURS} - read_names()
        )

    def test_every_option_says_what_it_does(self) -> None:
        for option in OURS:
            self.assertGreater(len(option.help or ""), 40, option.name)

    def test_every_option_of_ours_is_listed(self) -> None:
        listed = [each for _, options in conf.list_opts() for each in options]
        for option in OURS:
            self.assertIn(option, listed)

    def test_no_name_is_listed_twice_in_a_group(self) -> None:
        names = [
            (str(group), option.dest)
            for group, options in conf.list_opts()
            for option in options
        ]
        self.assertEqual(sorted(set(names)), sorted(names))
