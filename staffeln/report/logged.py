# SPDX-License-Identifier: Apache-2.0
"""A report in a log: each line says by itself what it is about.

Lines of other threads come in between, and people search for a volume.
"""

from __future__ import annotations

from collections.abc import Iterator

from staffeln.report import text, view, words


def lines(shown: view.View) -> Iterator[str]:
    """All of it; the subject first."""
    yield shown.subject
    yield f"Report {shown.id}. {shown.period}"
    if len(shown.parts) > 1:
        yield f"In all: {text.totals(shown.totals)}"
    for remark in shown.remarks:
        yield f"! {remark}"
    for part in shown.detailed_parts:
        yield from _project(part)
    left_out = len(shown.parts) - len(shown.detailed_parts)
    if left_out:
        yield f"and {words.count(left_out, 'more project')}"


def _project(part: view.Part) -> Iterator[str]:
    yield f"{text.project(part)}: {text.totals(part.totals)}"
    yield f"  {'; '.join(text.quotas(part))}"
    if part.forecast:
        yield f"  {part.forecast}"
    for listing in (part.failed, *part.notices, part.succeeded):
        for row in listing.rows:
            yield f"  {listing.title}: {_row(row)}"
        if listing.left_out:
            more = words.number(listing.left_out)
            yield f"  {listing.title}: and {more} more"
    for count in part.counts:
        yield f"  {count.words}"


def _row(row: view.Row) -> str:
    said = "; ".join(filter(None, (row.why, text.facts(row))))
    return f"{text.volume(row)}: {said}" if said else text.volume(row)
