# SPDX-License-Identifier: Apache-2.0
"""Reports as people read them: HTML, text, a sheet of all rows."""

from staffeln.report.rendering import Pages

__all__ = ["Pages"]
