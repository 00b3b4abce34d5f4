# SPDX-License-Identifier: Apache-2.0
"""The command line of ``sandbox/cloud``."""

from __future__ import annotations

import argparse
import json
import math
import pathlib
import signal
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from sandbox_cloud import (
    credentials,
    faults,
    lifecycle,
    policy,
    processes,
    readiness,
)
from sandbox_cloud.errors import BadRequest, SandboxError
from sandbox_cloud.layout import (
    DEFAULT_BASE_PORT,
    DEFAULT_PAGE_LIMIT,
    OPTIONAL,
    PORT_OFFSETS,
    Layout,
    Settings,
)
from sandbox_cloud.progress import Progress

NOT_ALL_UP = 3
INTERRUPTED = 130
_EXIT_CODES = """\
exit codes:
  0    done; status: everything is up
  1    it could not be done, one line says why
  2    a port is taken, or the command line is wrong
  3    status: something is not up
  130  interrupted; what had been started was stopped again

Everything lies in $STAFFELN_CACHE, else $XDG_CACHE_HOME/staffeln, else
~/.cache/staffeln; below it in sandbox/NAME.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out one command; its exit code."""
    options = _parser().parse_args(argv)
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    try:
        code: int = options.act(options, Layout.of(options.name))
    except SandboxError as error:
        print(f"sandbox/cloud: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("sandbox/cloud: interrupted", file=sys.stderr)
        return INTERRUPTED
    return code


def _interrupt(*_: Any) -> NoReturn:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sandbox/cloud",
        description="A real single-node OpenStack on loopback.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, act: Any, text: str) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = commands.add_parser(
            name,
            help=text,
            description=text,
            epilog=_EXIT_CODES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        made.add_argument("--name", default="default", help="which sandbox")
        made.set_defaults(act=act)
        return made

    _add_up(command("up", _up, "install what is missing and start"))
    command("down", _down, "stop; what is in the cloud stays")
    command("reset", _reset, "stop and throw away what is in the cloud")
    command("status", _status, "what runs, where, with how much memory")
    command("env", _env, "print shell exports for the administrator")
    for name, act in (("stop", _stop), ("start", _start)):
        one = command(name, act, f"{name} some services, keeping all else")
        one.add_argument("service", nargs="+")
    _add_fault(
        command("fault", _fault, "make backups slow, or make them fail")
    )
    _add_policy(
        command("policy", _policy, "whom Cinder asks before it deletes")
    )
    return parser


def _add_policy(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("on", "off", "show"))
    parser.add_argument(
        "--url",
        metavar="URL",
        help="ask the staffeln-api there before a member deletes a backup",
    )
    for name, text in (
        ("ca", "trust a server whose certificate these signed"),
        ("cert", "the certificate that Cinder shows"),
        ("key", "the key of that certificate"),
    ):
        parser.add_argument(
            f"--{name}-file", type=pathlib.Path, metavar="PATH", help=text
        )


def _add_up(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--with",
        dest="optional",
        type=_optional,
        metavar="SERVICE,...",
        help=f'exactly these of {", ".join(OPTIONAL)}; "" for none; not'
        " given: as it was, at first none",
    )
    parser.add_argument(
        "--base-port",
        type=_port,
        metavar="N",
        help="Keystone listens here, the others on the ports after it; at"
        f" first {DEFAULT_BASE_PORT}",
    )
    parser.add_argument(
        "--page-limit",
        type=_count,
        metavar="N",
        help="longest page of lists of Nova and Cinder; at first"
        f" {DEFAULT_PAGE_LIMIT}",
    )
    parser.add_argument(
        "--debug",
        action=argparse.BooleanOptionalAction,
        help="whether the services log at DEBUG as well; at first not",
    )


def _add_fault(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("backup", "clear", "show"))
    parser.add_argument(
        "--delay",
        type=_seconds,
        default=0.0,
        metavar="SECONDS",
        help='begin so late; "clear" ends the wait',
    )
    parser.add_argument(
        "--fail", metavar="MESSAGE", help="end in status error, saying this"
    )
    parser.add_argument("--only", choices=("full", "incremental"))
    parser.add_argument(
        "--volume",
        action="append",
        metavar="ID",
        help="only backups of this volume; may be repeated",
    )


def _optional(text: str) -> tuple[str, ...]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in OPTIONAL:
            raise argparse.ArgumentTypeError(
                f"{name!r} is none of {', '.join(OPTIONAL)}"
            )
    return tuple(name for name in OPTIONAL if name in names)


def _port(text: str) -> int:
    highest = 65535 - max(PORT_OFFSETS.values())
    if not text.isdigit() or not 1024 <= int(text) <= highest:
        raise argparse.ArgumentTypeError(f"1024 to {highest}, not {text!r}")
    return int(text)


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"1 or more, not {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not math.isfinite(seconds) or seconds < 0:
        raise argparse.ArgumentTypeError(f"seconds, not {text!r}")
    return seconds


def _up(options: argparse.Namespace, layout: Layout) -> int:
    wish = lifecycle.Wish(
        options.base_port,
        options.page_limit,
        options.optional,
        options.debug,
    )
    lifecycle.up(layout, wish, Progress())
    return 0


def _down(_options: argparse.Namespace, layout: Layout) -> int:
    lifecycle.down(layout, Progress())
    return 0


def _reset(_options: argparse.Namespace, layout: Layout) -> int:
    lifecycle.reset(layout, Progress())
    return 0


def _stop(options: argparse.Namespace, layout: Layout) -> int:
    lifecycle.stop_services(layout, options.service, Progress())
    return 0


def _start(options: argparse.Namespace, layout: Layout) -> int:
    lifecycle.start_services(layout, options.service, Progress())
    return 0


def _status(_options: argparse.Namespace, layout: Layout) -> int:
    if Settings.load(layout) is None:
        print(f"there is no sandbox {layout.name}; make it: sandbox/cloud up")
        return NOT_ALL_UP
    print(f"{'service':<16} {'pid':>8} {'port':>6}  {'up?':<5} {'MiB':>6}")
    all_up, total = True, 0.0
    for service, running in lifecycle.survey(layout):
        up = running is not None and readiness.listens(service.port)
        all_up &= up
        memory = processes.memory_mib(running.pid) if running else 0.0
        total += memory
        print(
            f"{service.name:<16} {running.pid if running else '-':>8}"
            f" {service.port:>6}  {'yes' if up else 'NO':<5} {memory:>6.0f}"
        )
    print(f"{'in all':<16} {'':>8} {'':>6}  {'':<5} {total:>6.0f}")
    return 0 if all_up else NOT_ALL_UP


def _env(_options: argparse.Namespace, layout: Layout) -> int:
    settings = Settings.load(layout)
    if settings is None:
        raise SandboxError(f"there is no sandbox {layout.name}; make it: up")
    user, project, _ = credentials.CLOUDS["sandbox-admin"]
    sys.stdout.write(credentials.openrc(settings, user, project))
    print(f"export OS_CLIENT_CONFIG_FILE='{layout.clouds_yaml}'")
    return 0


def _fault(options: argparse.Namespace, layout: Layout) -> int:
    if not layout.faults.exists():
        raise SandboxError(f"there is no sandbox {layout.name}; make it: up")
    if options.what == "backup":
        if not options.delay and options.fail is None:
            raise BadRequest("fault backup: give --delay, --fail or both")
        faults.set_backup_fault(
            layout,
            options.delay,
            options.fail,
            options.only,
            options.volume,
        )
    elif options.what == "clear":
        faults.clear(layout)
    print(json.dumps(faults.current(layout)))
    return 0


def _policy(options: argparse.Namespace, layout: Layout) -> int:
    if Settings.load(layout) is None:
        raise SandboxError(f"there is no sandbox {layout.name}; make it: up")
    outdated = False
    if options.what == "on":
        if not options.url:
            raise BadRequest("policy on: give --url")
        trust = None
        if options.ca_file:
            trust = policy.Trust(
                options.ca_file, options.cert_file, options.key_file
            )
        outdated = policy.ask(layout, options.url, trust)
    elif options.what == "off":
        outdated = policy.ask_nobody(layout)
    if outdated:
        lifecycle.restart_where_it_runs(layout, "cinder", Progress())
    print(json.dumps(policy.current(layout)))
    return 0
