# SPDX-License-Identifier: Apache-2.0
"""The directive ``task-states``: the state machine drawn from its table.

It draws ``staffeln.domain.task.TRANSITIONS`` as a picture and lists every
state with its prose, so that the page cannot differ from the code.
"""

from collections.abc import Iterator

import state_picture
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from staffeln.domain import task


def _entries() -> Iterator[nodes.Node]:
    for state in task.State:
        ends = [
            str(end) for start, end in state_picture.moves() if start is state
        ]
        text = task.PROSE[state]
        if ends:
            text += f" Goes to: {', '.join(ends)}."
        yield nodes.definition_list_item(
            "",
            nodes.term("", "", nodes.literal("", str(state))),
            nodes.definition("", nodes.paragraph("", text)),
        )


class TaskStates(SphinxDirective):
    """Insert the picture and the list of the states of a task."""

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(task.__file__)
        self.env.note_dependency(state_picture.__file__)
        return [
            nodes.raw("", state_picture.svg(), format="html"),
            nodes.definition_list("", *_entries()),
        ]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive with Sphinx."""
    app.add_directive("task-states", TaskStates)
    return {"parallel_read_safe": True}
