# SPDX-License-Identifier: Apache-2.0
"""Up, down, reset, and stop and start of one service."""

from __future__ import annotations

import dataclasses
import datetime
import pathlib
import shutil

from sandbox_cloud import (
    catalogue,
    configuration,
    credentials,
    databases,
    install,
    locking,
    packages,
    processes,
    readiness,
)
from sandbox_cloud.errors import BadRequest, SandboxError
from sandbox_cloud.layout import Layout, Settings
from sandbox_cloud.progress import Progress
from sandbox_cloud.services import Roster, Service


@dataclasses.dataclass(frozen=True)
class Wish:
    """What the command line asks for; None: as it was."""

    base_port: int | None
    page_limit: int | None
    optional: tuple[str, ...] | None
    debug: bool | None

    def applied_to(self, settings: Settings) -> Settings:
        asked = {
            name: value
            for name, value in dataclasses.asdict(self).items()
            if value is not None
        }
        return dataclasses.replace(settings, **asked)


def up(layout: Layout, wish: Wish, progress: Progress) -> None:
    """Bring the sandbox up, from whatever state it is in."""
    with locking.held(layout.lock, progress):
        before = Settings.load(layout)
        settings = wish.applied_to(before or Settings.fresh())
        _check_ports(layout, settings)
        packages.install_missing(progress, _apt_log(layout))
        venv = install.ready_venv() or install.make_venv(progress)
        layout.make()
        if before and before.base_port != settings.base_port:
            # Swift's rings hold ports; everything else is written anew.
            (layout.prepared / "swift").unlink(missing_ok=True)
        settings.store(layout)
        _Start(layout, settings, venv, progress).run()


def _apt_log(layout: Layout) -> pathlib.Path:
    layout.root.parent.mkdir(parents=True, exist_ok=True)
    return layout.root.parent / "apt.log"


def _check_ports(layout: Layout, settings: Settings) -> None:
    """Before anything is installed: is every port free or ours?"""
    processes.stop_strays(layout)
    records = processes.recorded(layout)
    before = Settings.load(layout)
    same = before is not None and before.base_port == settings.base_port
    alive = {name for name, each in records.items() if each.alive() and same}
    services = Roster(layout, settings, pathlib.Path("unused")).all()
    readiness.check_free([s for s in services if s.name not in alive])


class _Start:
    """One start of the cloud."""

    def __init__(
        self,
        layout: Layout,
        settings: Settings,
        venv: pathlib.Path,
        progress: Progress,
    ) -> None:
        self._layout = layout
        self._settings = settings
        self._venv = venv
        self._progress = progress
        self._services = Roster(layout, settings, venv).all()

    def run(self) -> None:
        configuration.write_all(self._layout, self._settings, self._venv)
        self._stop_outdated()
        waiting = self._not_running()
        if not waiting and (self._layout.run / "ready").exists():
            self._progress.say(f"sandbox {self._layout.name} is up already")
            return
        (self._layout.run / "ready").unlink(missing_ok=True)
        filler = databases.Filler(
            self._layout, self._settings, self._venv, self._progress
        )
        filler.fill()
        try:
            self._start_all(waiting)
        except BaseException:
            # Ctrl-C, a service that died, a limit that passed: leave nothing.
            _stop_everything(self._layout)
            raise
        (self._layout.run / "ready").write_text("")
        self._progress.say(
            f"sandbox {self._layout.name} is up after"
            f" {self._progress.total():.1f} s: OS_CLIENT_CONFIG_FILE="
            f"{self._layout.clouds_yaml} OS_CLOUD=sandbox-admin"
        )

    def _stop_outdated(self) -> None:
        """Stop what is not wanted any more or has other settings now."""
        marks = {each.name: self._mark(each) for each in self._services}
        outdated = [
            name
            for name, record in processes.recorded(self._layout).items()
            if record.alive() and record.fingerprint != marks.get(name)
        ]
        if outdated:
            with self._progress.step("stop: " + ", ".join(outdated)):
                processes.stop(self._layout, outdated)

    def _mark(self, service: Service) -> str:
        return processes.fingerprint(service.argv, service.files)

    def _not_running(self) -> list[Service]:
        records = processes.recorded(self._layout)
        return [
            each
            for each in self._services
            if each.name not in records or not records[each.name].alive()
        ]

    def _start_all(self, waiting: list[Service]) -> None:
        since = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
        keystone, rest = self._services[:1], self._services[1:]
        with self._progress.step("keystone, its users and catalogue"):
            self._spawn(keystone, waiting)
            readiness.wait_for_ports(self._layout, keystone, self._progress)
            catalogue.Identity(self._settings).set_up()
            credentials.write_all(self._layout, self._settings)
        names = ", ".join(each.name for each in rest)
        with self._progress.step(names):
            self._spawn(rest, waiting)
            readiness.wait_for_ports(self._layout, rest, self._progress)
        fresh = {each.name for each in waiting}
        if not {"nova", "cinder"} <= fresh:
            # Their last sign of life may be a while ago.
            since -= datetime.timedelta(minutes=1)
        with self._progress.step("agents, hypervisor, capacity"):
            readiness.wait_for_agents(
                self._layout,
                self._settings,
                self._services,
                since,
                self._progress,
            )
            catalogue.make_flavor_and_type(self._settings)

    def _spawn(self, services: list[Service], waiting: list[Service]) -> None:
        starting = [each for each in services if each in waiting]
        # Again: filling the databases took its time.
        readiness.check_free(starting)
        for each in services:
            if each in starting:
                processes.spawn(
                    self._layout,
                    each.name,
                    each.argv,
                    self._mark(each),
                    **dict(each.environment),
                )


def _stop_everything(layout: Layout) -> list[str]:
    """End every process of the sandbox; Keystone last."""
    (layout.run / "ready").unlink(missing_ok=True)
    names = list(processes.recorded(layout))
    stopped = processes.stop(layout, [n for n in names if n != "keystone"])
    stopped += processes.stop(layout, ["keystone"])
    processes.stop_strays(layout)
    return stopped


def down(layout: Layout, progress: Progress) -> None:
    """Stop every process; what is in the cloud stays."""
    with locking.held(layout.lock, progress):
        with progress.step(f"stop sandbox {layout.name}"):
            stopped = _stop_everything(layout)
        progress.say("stopped: " + (", ".join(stopped) or "nothing ran"))


def reset(layout: Layout, progress: Progress) -> None:
    """Stop every process and throw away what was in the cloud."""
    with (
        locking.held(layout.lock, progress),
        progress.step(f"throw away sandbox {layout.name}"),
    ):
        _stop_everything(layout)
        if layout.root.exists():
            shutil.rmtree(layout.root)


def stop_services(
    layout: Layout, names: list[str], progress: Progress
) -> None:
    """Stop some services, for instance to see how others bear it."""
    with locking.held(layout.lock, progress):
        _roster(layout, names)
        with progress.step("stop: " + ", ".join(names)):
            (layout.run / "ready").unlink(missing_ok=True)
            processes.stop(layout, names)


def start_services(
    layout: Layout, names: list[str], progress: Progress
) -> None:
    """Start some services again and wait until they answer."""
    with locking.held(layout.lock, progress):
        chosen = _roster(layout, names)
        records = processes.recorded(layout)
        idle = [
            each
            for each in chosen
            if each.name not in records or not records[each.name].alive()
        ]
        readiness.check_free(idle)
        since = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
        with progress.step("start: " + ", ".join(names)):
            for each in idle:
                processes.spawn(
                    layout,
                    each.name,
                    each.argv,
                    processes.fingerprint(each.argv, each.files),
                    **dict(each.environment),
                )
            readiness.wait_for_ports(layout, chosen, progress)
            _wait_when_whole(layout, since, progress)


def restart_where_it_runs(
    layout: Layout, name: str, progress: Progress
) -> None:
    """Start a service anew for other options, unless it is stopped."""
    record = processes.recorded(layout).get(name)
    if record is not None and record.alive():
        stop_services(layout, [name], progress)
        start_services(layout, [name], progress)


def _wait_when_whole(
    layout: Layout, since: datetime.datetime, progress: Progress
) -> None:
    """Wait for the agents once no service is stopped any more."""
    services = _roster(layout, [])
    records = processes.recorded(layout)
    if any(
        each.name not in records or not records[each.name].alive()
        for each in services
    ):
        return
    settings = Settings.load(layout)
    assert settings is not None
    fresh = since - datetime.timedelta(minutes=1)
    readiness.wait_for_agents(layout, settings, services, fresh, progress)
    (layout.run / "ready").write_text("")


def _roster(layout: Layout, names: list[str]) -> list[Service]:
    """The services of these names; all when none is named."""
    settings, venv = Settings.load(layout), install.ready_venv()
    if settings is None or venv is None:
        raise SandboxError(f"there is no sandbox {layout.name}; make it: up")
    services = Roster(layout, settings, venv).all()
    known = {each.name: each for each in services}
    for name in names:
        if name not in known:
            raise BadRequest(
                f"no service {name!r}; there are: {', '.join(known)}"
            )
    return [known[name] for name in names] if names else services


def survey(layout: Layout) -> list[tuple[Service, processes.Running | None]]:
    """Every service with its process, None when it does not run."""
    records = processes.recorded(layout)
    found = []
    for each in _roster(layout, []):
        record = records.get(each.name)
        alive = record if record is not None and record.alive() else None
        found.append((each, alive))
    return found
