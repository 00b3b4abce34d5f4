# SPDX-License-Identifier: Apache-2.0
"""A process that contends for the office, told what to do line by line.

Each line on standard input names a method of the leadership, or ``losses``;
its answer is one line on standard output.
"""

import json
import logging
import sys

from staffeln import leadership
from staffeln.domain import errors


def main(settings: str, holder: str) -> None:
    """Do what the lines say until they end; then die with all held."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    office = leadership.connect(
        leadership.Settings(**json.loads(settings)), holder
    )
    losses: list[str] = []
    office.watch(losses.append)
    for line in sys.stdin:
        name = line.strip()
        answer: object
        if name == "losses":
            answer = len(losses)
        else:
            try:
                answer = getattr(office, name)()
            except errors.StaffelnError as error:
                answer = f"{type(error).__name__}: {error}"
        print(answer, flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
