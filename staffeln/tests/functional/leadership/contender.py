# SPDX-License-Identifier: Apache-2.0
"""A process that contends for the office, told what to do line by line.

Each line on standard input names a method of the leadership; its answer is
one line on standard output.
"""

import sys

from staffeln import leadership


def main(url: str, state_path: str, holder: str) -> None:
    """Do what the lines say until they end; then die with all held."""
    office = leadership.connect(url, state_path, holder)
    for line in sys.stdin:
        print(getattr(office, line.strip())(), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
