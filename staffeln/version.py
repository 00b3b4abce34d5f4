# SPDX-License-Identifier: Apache-2.0
"""The version of the installed package."""

import importlib.metadata


def version_string() -> str:
    """Return the installed version, or "unknown" in a bare checkout."""
    try:
        return importlib.metadata.version("staffeln")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
