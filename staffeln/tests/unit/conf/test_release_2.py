# SPDX-License-Identifier: Apache-2.0
"""A configuration of release 2.x is accepted as it is."""

from __future__ import annotations

import io
import logging
import pathlib

import fixtures
from oslo_config import cfg

from staffeln import conf
from staffeln.conf import logs
from staffeln.tests.unit.conf import files
from staffeln.wiring import settings

FILE = pathlib.Path(__file__).parents[2] / "data" / "staffeln-2x.conf"
NOW_CALLED = {"backup_cycle_timout": "backup_cycle_timeout"}
NOT_READ = {"mysql_engine"}
BEGINS = {
    conf.Reader.CONDUCTOR: {"conductor", "openstack", "notification"},
    conf.Reader.API: {"api"},
}
"""Groups that only one of them reads."""


class WholeFileTest(files.ConfTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.keep_log_handlers()
        text = FILE.read_text().replace("{home}", str(self.home))
        self.path = self.file(text)
        parser_sections: dict[str, dict[str, list[str]]] = {}
        cfg.ConfigParser(str(self.path), parser_sections).parse()
        self.sections = parser_sections

    def load(self, reader: conf.Reader) -> cfg.ConfigOpts:
        return conf.load(
            ["--config-file", str(self.path)], prog="test", reader=reader
        )

    def test_every_option_is_read_as_it_was_set(self) -> None:
        for reader, groups in BEGINS.items():
            found = self.load(reader)
            for group in {*groups, "coordination", "database"}:
                for name, texts in self.sections[group].items():
                    if name in NOT_READ:
                        continue
                    value = found[group][NOW_CALLED.get(name, name)]
                    self.assertEqual(
                        texts[-1].lower(), _as_text(value), f"{group}.{name}"
                    )

    def test_what_was_set_is_what_the_rules_obey(self) -> None:
        found = self.load(conf.Reader.CONDUCTOR)
        obeyed = settings.workflow(found)
        self.assertEqual("5h", str(obeyed.backup_cycle_timeout))
        self.assertEqual(6, obeyed.policy.full_backup_depth)
        self.assertEqual("__automated_backup", obeyed.rule.backup_key)
        self.assertTrue(settings.backup_key_is_set(found))

    def test_each_name_that_changed_is_one_warning(self) -> None:
        """In the log, and nowhere else."""
        errors = self.useFixture(fixtures.StringStream("err")).stream
        with fixtures.MonkeyPatch("sys.stderr", errors):
            begun = self.load(conf.Reader.CONDUCTOR)
            logs.begin(begun)
            # Values are looked at again, and the file is read again.
            _ = begun.conductor.backup_cycle_timeout
            self.load(conf.Reader.CONDUCTOR)
        errors.seek(0)
        self.assertEqual("", errors.read())
        text = (self.home / "staffeln.log").read_text()
        warnings = [x for x in text.splitlines() if " WARNING " in x]
        self.assertEqual(2, len(warnings), text)
        self.assertIn("'backup_cycle_timout'", warnings[0])
        self.assertIn("called 'backup_cycle_timeout' now", warnings[0])
        self.assertIn("[database] mysql_engine (all tables", warnings[1])
        self.assertNotIn("example-of-a-password", text)

    def test_the_old_name_alone_is_filtered(self) -> None:
        stream = io.StringIO()
        handler = logging.StreamHandler(stream)
        logger = logging.getLogger("oslo_config.cfg")
        logger.addHandler(handler)
        self.addCleanup(logger.removeHandler, handler)
        self.load(conf.Reader.CONDUCTOR)
        logger.warning("another matter")
        self.assertEqual("another matter\n", stream.getvalue())


def _as_text(value: object) -> str:
    """A value as 2.x would have written it."""
    if isinstance(value, list):
        return ",".join(str(each) for each in value).lower()
    return str(value).lower()
