# SPDX-License-Identifier: Apache-2.0
"""A report as plain text, for mail programs without HTML."""

from __future__ import annotations

from collections.abc import Iterator

from staffeln.domain import report
from staffeln.report import view, words


def lines(shown: view.View, elsewhere: str) -> Iterator[str]:
    """All of it, without the subject.

    :param elsewhere: where the rows are that are left out, such as
        ``: see the attached file``; may be empty.
    """
    yield shown.title
    yield shown.about
    yield shown.period
    yield ""
    yield f"In all: {totals(shown.totals)}"
    for remark in shown.remarks:
        yield f"! {remark}"
    for part in shown.detailed_parts:
        yield ""
        yield from _project(part, elsewhere)
    left_out = len(shown.parts) - len(shown.detailed_parts)
    if left_out:
        yield ""
        yield f"and {words.count(left_out, 'more project')}{elsewhere}"
    yield ""
    yield f"Report {shown.id} of Staffeln, the backup service of this cloud."


def totals(numbers: report.Totals) -> str:
    """The numbers in one line."""
    said = [
        f"{words.number(numbers.failed)} failed",
        f"{words.number(numbers.succeeded)} succeeded "
        f"({words.number(numbers.gigabytes)} GiB of volumes)",
    ]
    for number, what in (
        (numbers.cancelled, "cancelled"),
        (numbers.removed, "removed"),
        (numbers.not_removed, "not removed"),
    ):
        if number:
            said.append(f"{words.number(number)} {what}")
    return ", ".join(said)


def project(part: view.Part) -> str:
    """Which project it is."""
    return f"Project {part.name or 'name unknown'} ({part.id})"


def quotas(part: view.Part) -> tuple[str, ...]:
    """How full a project's quotas are, a line each."""
    if not part.meters:
        return ("Quotas: could not be read",)
    return tuple(f"{each.name}: {each.words}" for each in part.meters)


def volume(row: view.Row) -> str:
    """Which volume of which server a row is about."""
    on = f" on {row.server}" if row.server else ""
    return f"{row.name} ({row.volume_id}){on}"


def facts(row: view.Row) -> str:
    """When, how long, what and which backup; may be empty."""
    said = ", ".join(filter(None, (row.when, row.took, row.what)))
    backup = f"backup {row.backup_id}" if row.backup_id else ""
    return "; ".join(filter(None, (said, backup)))


def _project(part: view.Part, elsewhere: str) -> Iterator[str]:
    title = project(part)
    yield title
    yield "-" * min(len(title), 72)
    yield f"  {totals(part.totals)}"
    for quota in quotas(part):
        yield f"  {quota}"
    if part.forecast:
        yield f"  {part.forecast}"
    for listing in (part.failed, *part.notices, part.succeeded):
        yield from _listing(listing, elsewhere)
    for count in part.counts:
        yield f"  {count.words}"


def _listing(listing: view.Listing, elsewhere: str) -> Iterator[str]:
    if not listing.total:
        return
    yield f"  {listing.title} ({words.number(listing.total)}):"
    for row in listing.rows:
        yield from _row(row)
    if listing.left_out:
        yield f"  - and {words.number(listing.left_out)} more{elsewhere}"


def _row(row: view.Row) -> Iterator[str]:
    yield f"  - {volume(row)}"
    for said in filter(None, (row.why, facts(row))):
        yield f"      {said}"
