# SPDX-License-Identifier: Apache-2.0
"""The state machine of a task as a picture, drawn from its table.

Nothing but the standard library and Staffeln's rules: so tests can hold the
picture against the table without Sphinx.
"""

from __future__ import annotations

from staffeln.domain import task

BOX = (110, 36)
PITCH = 170
LIVE_Y, ENDED_Y = 110, 240
STYLE = 'fill="none" stroke="currentColor" stroke-width="1.3"'


def moves() -> list[tuple[task.State, task.State]]:
    """Every move that the table knows, in the order of the states."""
    return [
        (start, end)
        for start in task.State
        for end in task.State
        if end in task.TRANSITIONS[start]
    ]


def svg() -> str:
    """The picture: a box for each state and an arrow for each move."""
    places = _places()
    parts = [
        '<marker id="head" viewBox="0 0 8 8" refX="7" refY="4"'
        ' markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M 0 0 L 8 4 L 0 8 z" fill="currentColor"/></marker>'
    ]
    parts.extend(_box(state, *place) for state, place in places.items())
    parts.extend(
        _arrow(start, end, places[start], places[end])
        for start, end in moves()
    )
    right = max(x for x, _ in places.values()) + BOX[0]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img"'
        f' aria-label="States of a task" viewBox="-5 0 {right + 10}'
        f' {ENDED_Y + BOX[1] + 5}" style="max-width: 52em; width: 100%">'
        f"{''.join(parts)}</svg>"
    )


def _places() -> dict[task.State, tuple[int, int]]:
    """Place the live states in one row and the ended ones below them."""
    live = [state for state in task.State if state in task.LIVE]
    ended = [state for state in task.State if state not in task.LIVE]
    shift = PITCH * (len(live) - len(ended)) // 2
    places = {state: (PITCH * i, LIVE_Y) for i, state in enumerate(live)}
    for i, state in enumerate(reversed(ended)):
        places[state] = (PITCH * i + shift, ENDED_Y)
    return places


def _box(state: task.State, x: int, y: int) -> str:
    width, height = BOX
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}"'
        f' rx="8" {STYLE}/><text x="{x + width // 2}"'
        f' y="{y + height // 2 + 5}" text-anchor="middle" font-size="14"'
        f' fill="currentColor">{state}</text>'
    )


def _arrow(
    start: task.State,
    end: task.State,
    start_place: tuple[int, int],
    end_place: tuple[int, int],
) -> str:
    """Draw one move: along the row, back over it, or down."""
    width, height = BOX
    (x1, y1), (x2, y2) = start_place, end_place
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
    return (
        f'<path data-move="{start} {end}" d="{way}" {STYLE}'
        ' marker-end="url(#head)"/>'
    )
