# SPDX-License-Identifier: Apache-2.0
"""The sample of the configuration file is the options' own text."""

from __future__ import annotations

import io
import re

from oslo_config import cfg, generator

from staffeln.tests import base
from staffeln.tests.unit.conf import test_opts
from staffeln.tests.unit.packaging import manifests

SAMPLE = manifests.ROOT / "etc/staffeln/staffeln.conf.sample"
SETTINGS = manifests.ROOT / "etc/oslo-config-generator/staffeln.conf"


def generated() -> str:
    """What "tox -e genconfig" would write."""
    conf = cfg.ConfigOpts()
    generator.register_cli_opts(conf)
    conf(["--config-file", str(SETTINGS)])
    written = io.StringIO()
    generator.generate(conf, written)
    return written.getvalue()


def paragraphs(sample: str) -> dict[tuple[str, str], str]:
    """Comment and default of each option, by group and name."""
    found: dict[tuple[str, str], str] = {}
    group = ""
    for paragraph in re.split(r"\n\n+", sample):
        if heading := re.match(r"\[(\w+)\]", paragraph.lstrip("\n")):
            group = heading[1]
        if option := re.search(r"^#(\w+) =", paragraph, re.MULTILINE):
            found[group, option[1]] = paragraph
    return found


class SampleTest(base.TestCase):
    def test_it_is_what_would_be_generated(self) -> None:
        """Texts of libraries may differ, by their release."""
        kept, fresh = (
            paragraphs(text) for text in (SAMPLE.read_text(), generated())
        )
        ours = {option.name for option in test_opts.OURS}
        compared = 0
        for (group, name), paragraph in fresh.items():
            if name in ours:
                compared += 1
                self.assertEqual(
                    paragraph,
                    kept.get((group, name)),
                    f"[{group}] {name}: tox -e genconfig makes it anew",
                )
        self.assertGreaterEqual(compared, len(ours))

    def test_it_has_nothing_that_went(self) -> None:
        groups = {
            "api",
            "conductor",
            "coordination",
            "metrics",
            "notification",
        }
        kept, fresh = (
            {option for option in paragraphs(text) if option[0] in groups}
            for text in (SAMPLE.read_text(), generated())
        )
        self.assertEqual(set(), kept - fresh)

    def test_it_has_our_defaults_of_the_options_of_libraries(self) -> None:
        kept = paragraphs(SAMPLE.read_text())
        self.assertIn(",gunicorn=INFO,", kept["DEFAULT", "default_log_levels"])

    def test_it_has_the_options_of_libraries_that_matter(self) -> None:
        kept = paragraphs(SAMPLE.read_text())
        for option in (
            ("DEFAULT", "log_file"),
            ("DEFAULT", "graceful_shutdown_timeout"),
            ("DEFAULT", "transport_url"),
            ("openstack", "auth_url"),
            ("openstack", "password"),
            ("oslo_messaging_notifications", "driver"),
        ):
            self.assertIn(option, kept)
