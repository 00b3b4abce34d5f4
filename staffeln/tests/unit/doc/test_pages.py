# SPDX-License-Identifier: Apache-2.0
"""What the pages name is there: reasons, options, commands, metrics."""

import configparser
import re

from oslo_config import cfg

from staffeln import conf
from staffeln.tests import base
from staffeln.tests.unit.doc import sources

FAILURES = sources.PAGES / "operations" / "failures.rst"


def quoted_reasons() -> list[str]:
    """First cells of the tables of the page on failures."""
    found: list[str] = []
    for row in re.split(r"^   \* - ", FAILURES.read_text(), flags=re.M)[1:]:
        cell = re.split(r"^     - ", row, maxsplit=1, flags=re.M)[0]
        found += sources.phrases(cell)
    return found


class ReasonTest(base.TestCase):
    def test_each_reason_is_one_that_the_code_gives(self) -> None:
        for reason in quoted_reasons():
            for piece in sources.pieces(reason):
                with self.subTest(reason=reason):
                    self.assertIn(piece, sources.said())

    def test_each_alarm_is_on_a_page(self) -> None:
        quoted = [
            pieces
            for page in sources.pages()
            for phrase in sources.phrases(page.read_text())
            if len("".join(pieces := sources.pieces(phrase))) > 10
        ]
        for alarm in sources.alarms("workflow", "conductor"):
            # What is all values gives nothing to look for.
            if len(alarm.replace(sources.HOLE, "")) > 10:
                with self.subTest(alarm=alarm):
                    self.assertTrue(
                        any(
                            all(piece in alarm for piece in pieces)
                            for pieces in quoted
                        ),
                        alarm,
                    )

    def test_there_are_reasons(self) -> None:
        self.assertGreater(len(quoted_reasons()), 30)

    def test_one_that_nobody_gives_is_noticed(self) -> None:
        *_, last = sources.pieces("volume V has gone for a walk")
        self.assertNotIn(last, sources.said())


def _is_metric(name: str) -> bool:
    """Whether the code has that name, or puts it together of two texts."""
    lines = set(sources.said().splitlines())
    if name in lines:
        return True
    for line in lines:
        if line.startswith("staffeln_") and line.count(sources.HOLE) == 1:
            found = re.fullmatch(line.replace(sources.HOLE, "(.+)"), name)
            if found is not None and found[1] in lines:
                return True
    return False


def _name(group: cfg.OptGroup | str | None) -> str:
    if isinstance(group, cfg.OptGroup):
        return str(group.name)
    return group or "DEFAULT"


class TableTest(base.TestCase):
    def test_no_row_is_torn_in_two(self) -> None:
        # In a simple table a line with a first cell begins a row.
        for page in sources.pages():
            width = 0
            for line in page.read_text().splitlines():
                ruler = re.match(r" *=+(?= +=)", line)
                if ruler:
                    width = len(ruler[0])
                elif not line.strip():
                    width = 0
                elif width:
                    with self.subTest(page=page.name, line=line):
                        self.assertNotRegex(line[:width].rstrip(), ",$")


class NameTest(base.TestCase):
    def literals(self) -> list[tuple[str, str]]:
        return [
            (page.name, each)
            for page in sources.pages()
            for each in sources.literals(page.read_text())
        ]

    def test_each_option_with_its_group_is_there(self) -> None:
        known = {
            (_name(group), option.dest)
            for group, options in conf.list_opts()
            for option in options
        }
        groups = {group for group, _ in known} - {"DEFAULT"}
        named = 0
        for page, text in self.literals():
            found = re.match(r"\[([a-z_]+)\] ([a-z_]+)", text)
            if found is None or found[1] not in groups:
                continue
            named += 1
            with self.subTest(page=page, text=text):
                self.assertIn((found[1], found[2]), known | _OF_OTHERS)
        self.assertGreater(named, 50)

    def test_each_metric_is_there(self) -> None:
        named = 0
        for page, text in self.literals():
            for name in re.findall(r"\bstaffeln_[a-z_]{6,}\b", text):
                if name in _NO_METRICS:
                    continue
                named += 1
                stem = re.sub(r"_(total|bucket|count|sum)$", "", name)
                with self.subTest(page=page, name=name):
                    self.assertTrue(_is_metric(stem))
        self.assertGreater(named, 20)

    def test_each_alert_is_told_of_and_there(self) -> None:
        rules = sources.ROOT / "etc" / "prometheus" / "staffeln-alerts.yml"
        known = re.findall(r"- alert: (\w+)", rules.read_text())
        named = [
            text
            for _, text in self.literals()
            if re.fullmatch(r"Staffeln[A-Z][A-Za-z]+", text)
        ]
        self.assertGreater(len(known), 10)
        self.assertEqual(sorted(known), sorted(set(named)))

    def test_each_command_is_there(self) -> None:
        setup = configparser.ConfigParser()
        setup.read(sources.ROOT / "setup.cfg")
        points = setup["entry_points"]
        known = {
            line.split("=")[0].strip().replace("_", " ")
            for line in points["staffeln.cli"].strip().splitlines()
        } | {"complete", "help"}  # cliff brings these along.
        named = 0
        for page, text in self.literals():
            found = re.match(r"staffeln ((?:[a-z]+ ?)+)", text)
            if found is None:
                continue
            named += 1
            with self.subTest(page=page, text=text):
                self.assertTrue(
                    any(found[1].startswith(each) for each in known), text
                )
        self.assertGreater(named, 20)


_OF_OTHERS = {
    # Nova's.
    ("api", "max_limit"),
    # An option of release 2.x that is not read any more.
    ("database", "mysql_engine"),
}
"""What the pages name besides, and why."""

_NO_METRICS = {
    # Of a backup's metadata.
    "staffeln_deployment",
    # A user of the database, see etc/database.
    "staffeln_migration",
}
