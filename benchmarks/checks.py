# SPDX-License-Identifier: Apache-2.0
"""What the check before a delete costs, beside an answer that is constant.

``staffeln-api`` serves as in production, with a MariaDB of very many managed
backups; ``wrk`` (the Debian package) asks from loopback, as oslo.policy does.
The constant is the liveness probe of the same server, asked in turn with the
check. Then so many checks are sent that memory would have grown.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator

import sqlalchemy as sa

from benchmarks import arguments, history
from staffeln.db import migration, rows, session
from staffeln.tests.functional.db import databases
from staffeln.tests.servers import mariadb, process

CHECK, CONSTANT = "check", "constant"
ROUNDS = 5
SECONDS = 10
"""Of each measurement."""
KNOWN = 20_000
"""Ids that are asked for, of managed backups, in turn."""
LARGEST_RATIO = 3.0
LARGEST_RSS = 150
"""MiB of all workers together."""
HEADINGS = ("what", "a second", "p50 ms", "p99 ms", "errors")

_SCRIPT = """
local ids = {}
for line in io.lines("IDS") do ids[#ids + 1] = line end
local number = math.random(#ids)
local made = {}
local function make(id)
  local target = '%7B%22id%22%3A%22' .. id .. '%22%7D'
  return wrk.format("POST", "/v1/backup?backup_id=" .. id,
    {["Content-Type"] = "application/x-www-form-urlencoded"},
    "rule=%22backup%3Adelete%22&target=" .. target .. "&credentials=%7B%7D")
end
request = function()
  number = number % #ids + 1
  made[number] = made[number] or make(ids[number])
  return made[number]
end
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Figures:
    """What wrk says of one measurement."""

    a_second: float
    p50: float
    p99: float
    """Milliseconds."""
    errors: int
    requests: int


def main() -> int:
    """Measure and print; 1: a check costs more than it may."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backups", type=arguments.whole(), default=1_000_000)
    parser.add_argument("--requests", type=arguments.whole(0), default=500_000)
    parser.add_argument("--workers", type=arguments.whole(), default=2)
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        parser.error("wrk is not installed: apt-get install wrk")
    server = mariadb.MariaDB()
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            url = _fill(server, folder, options.backups)
            with _served(folder, url, options.workers) as (port, parent):
                return _measure(folder, port, parent, options.requests)
    finally:
        server.stop()


def _fill(server: mariadb.MariaDB, folder: pathlib.Path, backups: int) -> str:
    """A database of a bound deployment; some ids go to a file."""
    url = server.create("checks")
    database = session.connect(databases.configuration(url), create=True)
    migration.create_schema(database)
    history.write(database, history.Deployment(backups, history.now()))
    with database.engine.begin() as connection:
        connection.execute(
            sa.update(rows.DEPLOYMENT).values(
                auth_url="http://keystone.example",
                region="r",
                block_storage_url="http://cinder.example",
                user_id="0" * 32,
            )
        )
    database.close()
    step = max(1, backups // KNOWN)
    ids = [history.its_id("backup", n) for n in range(0, backups, step)]
    (folder / "ids").write_text("\n".join(ids) + "\n")
    (folder / "check.lua").write_text(
        _SCRIPT.replace("IDS", str(folder / "ids"))
    )
    return url


@contextlib.contextmanager
def _served(
    folder: pathlib.Path, url: str, workers: int
) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """``staffeln-api`` on a free port."""
    port = process.free_port()
    configuration = folder / "staffeln.conf"
    configuration.write_text(
        f"[DEFAULT]\nstate_path = {folder}\n"
        "default_log_levels = staffeln=WARNING\n"
        f"[database]\nconnection = {url}\n"
        f"[api]\nport = {port}\nworkers = {workers}\n"
    )
    with (folder / "api.out").open("wb") as output:
        api = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "staffeln.cmd.api",
                "--config-file",
                str(configuration),
            ],
            stdout=output,
            stderr=output,
        )
    try:
        _wait_until_ready(port)
        yield port, api
    finally:
        api.send_signal(signal.SIGTERM)
        api.wait(60)


def _wait_until_ready(port: int) -> None:
    for _ in range(300):
        with contextlib.suppress(OSError):
            url = f"http://127.0.0.1:{port}/v1/health"
            with urllib.request.urlopen(url, timeout=5):
                return
        time.sleep(0.2)
    raise TimeoutError("staffeln-api is not ready")


def _measure(
    folder: pathlib.Path,
    port: int,
    parent: subprocess.Popen[bytes],
    requests: int,
) -> int:
    _say(HEADINGS)
    found: dict[str, list[Figures]] = {CHECK: [], CONSTANT: []}
    ratios = []
    for _ in range(ROUNDS):
        for what, figures in found.items():
            figures.append(_ask(folder, port, what, SECONDS))
            _say(_cells(what, figures[-1]))
        ratios.append(found[CONSTANT][-1].a_second / found[CHECK][-1].a_second)
    ratio = statistics.median(ratios)
    print(
        f"a check costs {ratio:.2f} times the constant "
        f"({min(ratios):.2f} to {max(ratios):.2f})"
    )
    sent = sum(each.requests for each in found[CHECK])
    while sent < requests:
        sent += _ask(folder, port, CHECK, 3 * SECONDS).requests
    memory = sum(_rss(each) for each in _children(parent.pid))
    print(f"after {sent} checks the workers have {memory:.0f} MiB together")
    errors = sum(each.errors for part in found.values() for each in part)
    sound = ratio <= LARGEST_RATIO and memory < LARGEST_RSS and not errors
    return 0 if sound else 1


def _ask(folder: pathlib.Path, port: int, what: str, seconds: int) -> Figures:
    """Let wrk ask one thing for a while."""
    command = ["wrk", "-t1", "-c16", f"-d{seconds}s", "--latency"]
    url = f"http://127.0.0.1:{port}"
    if what == CHECK:
        command += ["-s", str(folder / "check.lua"), url]
    else:
        command.append(f"{url}/v1/health?probe=live")
    said = subprocess.run(
        command, capture_output=True, text=True, check=True
    ).stdout
    wrong = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    broken = re.search(r"Socket errors: (.*)", said)
    return Figures(
        a_second=float(_number(r"Requests/sec:\s+([\d.]+)", said)),
        p50=_milliseconds(_number(r"50%\s+([\d.]+\w+)", said)),
        p99=_milliseconds(_number(r"99%\s+([\d.]+\w+)", said)),
        errors=(int(wrong[1]) if wrong else 0)
        + sum(map(int, re.findall(r"\d+", broken[1] if broken else ""))),
        requests=int(_number(r"(\d+) requests in", said)),
    )


def _number(expression: str, said: str) -> str:
    found = re.search(expression, said)
    if found is None:
        raise ValueError(f"wrk said: {said}")
    return found[1]


def _milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()  # type: ignore[union-attr]
    return float(number) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]


def _children(pid: int) -> list[int]:
    tasks = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(each) for each in tasks.split()]


def _rss(pid: int) -> float:
    """MiB that a process has in memory."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(_number(r"VmRSS:\s+(\d+) kB", status)) / 1024


def _cells(what: str, found: Figures) -> tuple[str, ...]:
    return (
        what,
        f"{found.a_second:.0f}",
        f"{found.p50:.1f}",
        f"{found.p99:.1f}",
        str(found.errors),
    )


def _say(cells: tuple[str, ...]) -> None:
    print("".join(each.ljust(12) for each in cells).rstrip(), flush=True)


if __name__ == "__main__":
    arguments.leave(main)
