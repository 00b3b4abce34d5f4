# SPDX-License-Identifier: Apache-2.0
"""The directive ``task-states``: the state machine drawn from its table.

It draws ``staffeln.domain.task.TRANSITIONS`` as a picture and lists every
state with its prose, so that the page cannot differ from the code.
"""

from collections.abc import Iterator

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from staffeln.domain import task

BOX = (110, 36)
PITCH = 170
LIVE_Y, ENDED_Y = 110, 240
STYLE = 'fill="none" stroke="currentColor" stroke-width="1.3"'


def _places() -> dict[task.State, tuple[int, int]]:
    """Place the live states in one row and the ended ones below them."""
    live = [state for state in task.State if state in task.LIVE]
    ended = [state for state in task.State if state not in task.LIVE]
    shift = PITCH * (len(live) - len(ended)) // 2
    places = {state: (PITCH * i, LIVE_Y) for i, state in enumerate(live)}
    for i, state in enumerate(reversed(ended)):
        places[state] = (PITCH * i + shift, ENDED_Y)
    return places


def _arrow(start: tuple[int, int], end: tuple[int, int]) -> str:
    """Draw one move: along the row, back over it, or down."""
    width, height = BOX
    (x1, y1), (x2, y2) = start, end
    if y1 != y2:
        way = f"M {x1 + width // 2} {y1 + height} L {x2 + width // 2} {y2 - 4}"
    elif x2 > x1:
        way = (
            f"M {x1 + width} {y1 + height // 2} L {x2 - 4} {y2 + height // 2}"
        )
    else:
        top = y1 - 34 * (x1 - x2) // PITCH
        way = (
            f"M {x1 + width // 2} {y1} C {x1 + width // 2} {top}"
            f" {x2 + width // 2} {top} {x2 + width // 2} {y2 - 4}"
        )
    return f'<path d="{way}" {STYLE} marker-end="url(#head)"/>'


def _picture() -> str:
    width, height = BOX
    places = _places()
    parts = [
        '<marker id="head" viewBox="0 0 8 8" refX="7" refY="4"'
        ' markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M 0 0 L 8 4 L 0 8 z" fill="currentColor"/></marker>'
    ]
    for state, (x, y) in places.items():
        parts.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}"'
            f' rx="8" {STYLE}/><text x="{x + width // 2}"'
            f' y="{y + height // 2 + 5}" text-anchor="middle" font-size="14"'
            f' fill="currentColor">{state}</text>'
        )
        parts.extend(
            _arrow((x, y), places[end])
            for end in task.State
            if end in task.TRANSITIONS[state]
        )
    right = max(x for x, _ in places.values()) + width
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img"'
        f' aria-label="States of a task" viewBox="-5 0 {right + 10}'
        f' {ENDED_Y + height + 5}" style="max-width: 52em; width: 100%">'
        f"{''.join(parts)}</svg>"
    )


def _entries() -> Iterator[nodes.Node]:
    for state in task.State:
        ends = [end for end in task.State if end in task.TRANSITIONS[state]]
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
        return [
            nodes.raw("", _picture(), format="html"),
            nodes.definition_list("", *_entries()),
        ]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive with Sphinx."""
    app.add_directive("task-states", TaskStates)
    return {"parallel_read_safe": True}
