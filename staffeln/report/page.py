# SPDX-License-Identifier: Apache-2.0
"""A report as HTML that mail programs show as it is meant.

They know tables and inline styles, and drop or break nearly all else; see
templates/report.html.
"""

from __future__ import annotations

import functools

import jinja2

from staffeln.report import text, view, words


def html(shown: view.View, elsewhere: str) -> str:
    """All of it as a page.

    :param elsewhere: where the rows are that are left out, such as
        ``: see the attached file``.
    """
    return (
        _templates()
        .get_template("report.html")
        .render(shown=shown, elsewhere=elsewhere)
    )


def summary(shown: object) -> str:
    """The operators' summary as a page.

    :param shown: an :class:`staffeln.report.overview.View`.
    """
    return _templates().get_template("summary.html").render(shown=shown)


@functools.cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("staffeln.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["Tone"] = view.Tone
    environment.filters["count"] = words.count
    environment.filters["united"] = _united
    environment.filters["number"] = words.number
    environment.filters["totals"] = text.totals
    return environment


def _united(text: str) -> str:
    """No line ends between a number and its unit."""
    return text.replace(" GiB", "\u00a0GiB")
