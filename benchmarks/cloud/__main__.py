# SPDX-License-Identifier: Apache-2.0
"""Run a simulated cloud until it is interrupted."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import gc
import signal
import sys
from typing import Any

from benchmarks.cloud.application import Application
from benchmarks.cloud.behaviour import Behaviour
from benchmarks.cloud.scenery import Shape
from benchmarks.cloud.server import Connection
from benchmarks.cloud.state import PASSWORD, REGION, State

_BACKLOG = 1024


def main() -> int:
    """The exit code."""
    options = _options()
    try:
        shape = _shape(options)
        behaviour = Behaviour(
            latency=options.latency,
            jitter=options.jitter,
            backup_time=options.backup_time,
            backup_spread=options.backup_spread,
            backup_errors=options.backup_errors,
            delete_time=options.delete_time,
        )
    except (KeyError, TypeError, ValueError) as error:
        print(f"no such cloud: {error}", file=sys.stderr)
        return 2
    asyncio.run(_run(options, shape, behaviour))
    return 0


async def _run(
    options: argparse.Namespace, shape: Shape, behaviour: Behaviour
) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if options.with_parent:
        # Whoever started it says nothing: what is heard is its end.
        loop.add_reader(sys.stdin, stop.set)
    application: Application | None = None

    def connection() -> Connection:
        assert application is not None
        return Connection(
            application.delay,
            application.carry_out,
            state.clock,
            application.connected,
        )

    server = await loop.create_server(
        connection,
        "127.0.0.1",
        options.port,
        backlog=_BACKLOG,
        start_serving=False,
    )
    port = server.sockets[0].getsockname()[1]
    state = State(shape, behaviour, f"http://127.0.0.1:{port}")
    application = Application(state)
    # What is there now stays: the collector need not look at it again.
    gc.collect()
    gc.freeze()
    async with server:
        await server.start_serving()
        if not options.with_parent:
            print(_welcome(state))
        print(f"listening at {state.url}", flush=True)
        await stop.wait()


def _welcome(state: State) -> str:
    return "\n".join(
        (
            "export OS_AUTH_TYPE=password OS_IDENTITY_API_VERSION=3",
            f"export OS_AUTH_URL={state.url}/identity",
            f"export OS_USERNAME=staffeln OS_PASSWORD={PASSWORD}",
            "export OS_USER_DOMAIN_ID=default OS_PROJECT_DOMAIN_ID=default",
            f"export OS_PROJECT_NAME=service OS_REGION_NAME={REGION}",
        )
    )


def _shape(options: argparse.Namespace) -> Shape:
    if options.shape_text:
        return Shape.from_text(options.shape_text)
    return Shape(
        **{
            each.name: getattr(options, each.name)
            for each in dataclasses.fields(Shape)
            if each.name != "made_at"
        }
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cloud",
        description="A simulated cloud for load: Keystone, Nova and Cinder "
        "as HTTP on loopback, made from numbers. It prints the variables "
        "that name it, and runs until it is interrupted.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    helps = {
        "selected": "share of the servers that ask for backups",
        "unattached": "so many of the volumes are attached to no server",
        "own_retention": "share of the servers with a retention of their own",
        "opted_out": "share of the volumes that ask to be left out",
        "chain": "completed backups of each selected volume",
        "creating": "so many selected volumes have a backup in the making",
        "creating_for": "seconds since the first of those was begun",
        "full_every": "so many backups of a chain, of which one is full",
        "interval": "seconds from one existing backup to the next",
    }
    for each in dataclasses.fields(Shape):
        if each.name == "made_at":
            continue
        default: Any = each.default
        parser.add_argument(
            f"--{each.name.replace('_', '-')}",
            type=type(default),
            default=default,
            help=helps.get(each.name, each.name.replace("_", " ")),
        )
    known = Behaviour()
    for name, text in (
        ("latency", "seconds until each answer"),
        ("jitter", "up to so many seconds more"),
        ("backup_time", "seconds that a backup takes; inf: for ever"),
        ("backup_spread", "deviation of its logarithm"),
        ("backup_errors", "share of the backups that fail"),
        ("delete_time", "seconds that a deletion takes; inf: for ever"),
    ):
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=float,
            default=getattr(known, name),
            help=text,
        )
    parser.add_argument("--shape-text", help=argparse.SUPPRESS)
    parser.add_argument(
        "--with-parent", action="store_true", help=argparse.SUPPRESS
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
