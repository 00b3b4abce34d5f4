# SPDX-License-Identifier: Apache-2.0
"""The renderer: one report in all its shapes."""

from __future__ import annotations

from staffeln.domain import report, summary
from staffeln.report import arrangement, logged, overview, page, sheet, text


class Pages:
    """Renders reports; see :class:`staffeln.ports.Renderer`."""

    def render(self, what: report.Report) -> report.Rendered:
        """Subject, text, HTML and a file with all rows."""
        shown = arrangement.of(what)
        attached = sheet.attachment(what)
        elsewhere = ": see the attached file" if attached else ""
        return report.Rendered(
            subject=shown.subject,
            text="\n".join((*text.lines(shown, elsewhere), "")),
            html=page.html(shown, elsewhere),
            attachments=(attached,) if attached else (),
        )

    def render_summary(self, what: summary.Summary) -> report.Rendered:
        """Subject, text and HTML of the operators' summary."""
        return overview.rendered(what)

    def log_lines(self, what: report.Report) -> tuple[str, ...]:
        """The subject, then a line for whatever is told."""
        return tuple(logged.lines(arrangement.of(what)))
