# SPDX-License-Identifier: Apache-2.0
"""The one office of scheduler: which backend keeps it, by URL.

An office saves work and guarantees nothing: the term's fence in the
database does.
"""

from staffeln.leadership.backends import connect, is_local
from staffeln.leadership.rivals import rival

__all__ = ["connect", "is_local", "rival"]
