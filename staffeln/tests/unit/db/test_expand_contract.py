# SPDX-License-Identifier: Apache-2.0
"""Within 3.x conductors of two releases work side by side, on one schema.

So a revision only adds what the release before can leave alone; what takes
something away is a revision of its own, a release later, and named here.
"""

from __future__ import annotations

import ast
import pathlib
import textwrap
from collections.abc import Iterator

from staffeln.db import migration
from staffeln.tests import base

VERSIONS = pathlib.Path(migration.__file__).parent / "alembic" / "versions"

FIRST_RELEASE = "b92c6e1d40f7"
"""The head of 3.0.0: before it, no release of 3.x used the schema."""

CONTRACTS: frozenset[str] = frozenset()
"""Revisions that take away what the release before does not use any more."""

TAKES_AWAY = {
    "drop_column": "takes a column from the release before",
    "drop_table": "takes a table from the release before",
    "rename_table": "takes a table from the release before",
    "drop_constraint": "lets in what the release before does not expect",
    "create_unique_constraint": "refuses rows of the release before",
    "create_check_constraint": "refuses rows of the release before",
    "create_foreign_key": "refuses rows of the release before",
    "create_exclude_constraint": "refuses rows of the release before",
    "create_primary_key": "refuses rows of the release before",
    "alter_column": "changes a column under the release before",
}
"""Operations that are no expansion, and why."""

WORDS = ("DROP", "RENAME", "MODIFY", "CHANGE", "TRUNCATE")
"""In SQL that is written out."""


def faults(source: str) -> Iterator[str]:
    """What is no expansion in the text of a revision, a line each."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = _name(node.func)
        if name in TAKES_AWAY:
            yield f"line {node.lineno}: {name} {TAKES_AWAY[name]}"
        elif name == "create_index" and _is_true(node, "unique"):
            yield f"line {node.lineno}: a unique index refuses rows"
        elif name in ("execute", "text", "exec_driver_sql"):
            yield from _in_sql(node)
        elif name == "Column" and not _may_be_left_out(node):
            yield (
                f"line {node.lineno}: the release before writes nothing into "
                "this column: let it be NULL, or give it a server_default"
            )


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _is_true(call: ast.Call, name: str) -> bool:
    return any(
        each.arg == name
        and isinstance(each.value, ast.Constant)
        and each.value.value is True
        for each in call.keywords
    )


def _in_sql(call: ast.Call) -> Iterator[str]:
    for each in ast.walk(call):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            for word in WORDS:
                if word in each.value.upper().split():
                    yield f"line {call.lineno}: {word} in SQL"


def _may_be_left_out(call: ast.Call) -> bool:
    """Whether rows that know nothing of the column can be written."""
    keywords = {each.arg: each.value for each in call.keywords}
    null = keywords.get("nullable")
    return (
        "server_default" in keywords
        or null is None
        or (isinstance(null, ast.Constant) and null.value is True)
    )


def in_new_tables(source: str) -> set[int]:
    """Lines of columns of tables that the revision itself makes.

    The release before writes no rows there at all.
    """
    return {
        inner.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and _name(node.func) in ("Table", "create_table")
        for inner in ast.walk(node)
        if isinstance(inner, ast.Call) and _name(inner.func) == "Column"
    }


def all_faults(source: str) -> list[str]:
    new = {f"line {number}:" for number in in_new_tables(source)}
    return [
        fault
        for fault in faults(source)
        if not ("this column" in fault and fault.startswith(tuple(new)))
    ]


class RevisionsTest(base.TestCase):
    def after_the_release(self) -> list[str]:
        """Revisions that come after 3.0.0."""
        return [name for name, _ in migration.pending(FIRST_RELEASE)]

    def source(self, revision: str) -> str:
        (path,) = VERSIONS.glob(f"*_{revision}*.py")
        return path.read_text()

    def test_each_revision_only_adds(self) -> None:
        for revision in self.after_the_release():
            if revision not in CONTRACTS:
                self.assertEqual([], all_faults(self.source(revision)))

    def test_contracts_are_revisions_of_this_project(self) -> None:
        self.assertEqual(
            set(), CONTRACTS - {name for name, _ in migration.pending(None)}
        )

    def test_every_revision_can_be_read(self) -> None:
        for revision, _ in migration.pending(None):
            all_faults(self.source(revision))


class RulesTest(base.TestCase):
    """The rules find what they are there for."""

    def found(self, statement: str) -> int:
        return len(
            all_faults(textwrap.dedent(f"def upgrade():\n    {statement}\n"))
        )

    def test_what_takes_away_is_found(self) -> None:
        for statement in (
            "op.drop_column('tasks', 'rank')",
            "op.drop_table('tasks')",
            "op.rename_table('tasks', 'work')",
            "op.alter_column('tasks', 'rank', nullable=False)",
            "op.alter_column('tasks', 'rank', new_column_name='place')",
            "op.create_unique_constraint('uq', 'tasks', ['rank'])",
            "op.create_index('ix', 'tasks', ['rank'], unique=True)",
            "op.execute('ALTER TABLE tasks DROP COLUMN rank')",
            "op.execute(sa.text('alter table a rename to b'))",
            "op.add_column('tasks', "
            "sa.Column('new', sa.Integer(), nullable=False))",
        ):
            self.assertEqual(1, min(1, self.found(statement)), statement)

    def test_what_adds_is_not(self) -> None:
        for statement in (
            "op.add_column('tasks', sa.Column('new', sa.Integer()))",
            "op.add_column('tasks', sa.Column('new', sa.Integer(), "
            "nullable=False, server_default='0'))",
            "op.create_index('ix', 'tasks', ['rank'])",
            "op.drop_index('ix', 'tasks')",
            "sa.Table('new', m, sa.Column('id', sa.Integer(), "
            "nullable=False))",
            "op.execute(sa.update(tasks).values(cause='unwanted'))",
        ):
            self.assertEqual(0, self.found(statement), statement)
