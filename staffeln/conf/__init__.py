# SPDX-License-Identifier: Apache-2.0
"""Configuration: one module per group, checked as a whole when read.

There is no global CONF: whoever needs a value gets it handed in.
"""

from staffeln.conf.checking import check
from staffeln.conf.opts import Reader, list_opts, register_opts
from staffeln.conf.reading import DEFAULT_FILE, load, load_unchecked
from staffeln.conf.rereading import Rereadable

__all__ = [
    "DEFAULT_FILE",
    "Reader",
    "Rereadable",
    "check",
    "list_opts",
    "load",
    "load_unchecked",
    "register_opts",
]
