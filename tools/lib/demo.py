# SPDX-License-Identifier: Apache-2.0
"""The demo: Staffeln at work on the sandbox cloud, start to end."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from typing import Any, NoReturn

from keystoneauth1 import exceptions as keystone_errors
from openstack import exceptions as sdk_errors

from sandbox.scenery import CLOUD, Sandbox, SceneryError, wait_for
from tools.lib.background import Background
from tools.lib.scene import NAME, TAG, Disk, Scene, cloud
from tools.lib.story import Story

BIN = pathlib.Path(sys.executable).parent
INTERVAL = 40
PATIENCE = 300
INTERRUPTED = 130

FAILURES = (
    SceneryError,
    OSError,
    subprocess.SubprocessError,
    keystone_errors.ClientException,
    sdk_errors.SDKException,
)
"""What can go wrong around the demo; all else is a mistake in it."""

CONFIGURATION = """\
[DEFAULT]
state_path = {directory}
log_file = {directory}/conductor.log

[database]
connection = sqlite:///{directory}/staffeln.sqlite

[openstack]
cloud = sandbox-staffeln

[conductor]
backup_service_period = 5
backup_min_interval = {interval}
task_poll_period = 2
full_backup_depth = 2
"""


def main() -> int:
    """Run the demo; 0 when all checksums are equal."""
    parser = argparse.ArgumentParser(prog="tools/demo.sh")
    parser.add_argument("--keep", action="store_true")
    keep = parser.parse_args().keep
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    story = Story()
    demo = Demo(story, pathlib.Path(os.environ["STAFFELN_CACHE"]))
    code = 1
    try:
        if demo.run():
            code = 0
    except FAILURES as error:
        story.complain(_in_words(error))
    except KeyboardInterrupt:
        story.complain("interrupted")
        code = INTERRUPTED
    finally:
        ended = _end(demo, story, keep)
    if code == 0 and not ended:
        code = 1
    if code == 0:
        story.chapter("All checksums are equal.")
    return code


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _in_words(error: Exception) -> str:
    if isinstance(error, SceneryError):
        return str(error)
    said = getattr(error, "stderr", None) or error
    return f"{type(error).__name__}: {said}"


def _end(demo: Demo, story: Story, keep: bool) -> bool:
    """Leave all running, or stop it; whether that went well."""
    try:
        if keep:
            demo.tell_how_to_look_around()
        else:
            demo.stop()
    except FAILURES as error:
        story.complain(_in_words(error))
        return False
    except KeyboardInterrupt:
        story.complain("interrupted while it was stopping")
        return False
    return True


class Demo:
    """The scene, the conductor, and what is checked."""

    def __init__(self, story: Story, cache: pathlib.Path) -> None:
        self._story = story
        self._note = cache / "demo-conductor.pid"
        self._conductor: Background | None = None
        self._disks: list[Disk] = []
        self._state: pathlib.Path | None = None

    # -- the acts ----------------------------------------------------------

    def run(self) -> bool:
        """All acts in order; whether every restored byte was right."""
        say, chapter = self._story.say, self._story.chapter
        chapter("A cloud")
        self._stop_former_conductor()
        sandbox = self._bring_up_cloud()
        chapter("Projects, servers and volumes with random bytes")
        scene = Scene(sandbox, say)
        scene.make()
        self._disks = scene.disks
        chapter("Staffeln")
        self._configure()
        self._run("staffeln-db-manage", "create_schema")
        say("database made")
        self._show("plan")
        self._start_conductor()
        chapter("Full backups, then incremental ones of what has changed")
        self._follow(sandbox)
        chapter("Restored through Cinder into new volumes")
        good = self._restore_and_compare(sandbox)
        chapter("What was backed up")
        self._show("backup", "list")
        chapter("Why the rest was not")
        self._tell_the_rest()
        return good

    def _stop_former_conductor(self) -> None:
        """One of a demo that was kept, or killed: its cloud goes away."""
        former = Background.noted(self._note)
        if former:
            former.stop()
            self._story.say("staffeln-conductor of the former demo stopped")

    def _bring_up_cloud(self) -> Sandbox:
        for action in ("reset", "up"):
            cloud(action)
        sandbox = Sandbox.named(NAME)
        self._state = sandbox.state
        self._directory.mkdir()
        return sandbox

    def _configure(self) -> None:
        (self._directory / "staffeln.conf").write_text(
            CONFIGURATION.format(directory=self._directory, interval=INTERVAL)
        )
        self._story.say(f"configuration {self._directory / 'staffeln.conf'}")

    def _start_conductor(self) -> None:
        self._conductor = Background.start(
            self._command("staffeln-conductor"),
            self._environment(),
            errors=self._directory / "conductor.err",
            note=self._note,
        )
        self._story.say(f"staffeln-conductor runs, log {self._log_file}")

    def _follow(self, sandbox: Sandbox) -> None:
        """Tell each backup as it ends; change bytes after each full."""
        wanted = [
            disk for disk in self._disks if disk.expected.startswith("full")
        ]
        seen: set[str] = set()
        with self._log_on_failure():
            wait_for(
                "full and incremental backups of all tagged volumes",
                lambda: self._observe(sandbox, wanted, seen),
                limit=PATIENCE,
                pause=1,
            )

    def _observe(
        self, sandbox: Sandbox, wanted: list[Disk], seen: set[str]
    ) -> bool:
        if self._conductor and not self._conductor.runs:
            said = (self._directory / "conductor.err").read_text()
            raise SceneryError(f"staffeln-conductor has ended: {said}")
        disks = {disk.id: disk for disk in wanted}
        for backup in reversed(sandbox.backups()):
            key = f"{backup['id']} {backup['status']}"
            disk = disks.get(backup["volume_id"])
            if key in seen or disk is None:
                continue
            seen.add(key)
            self._tell_backup(disk, backup)
            if backup["status"] == "available":
                self._take(sandbox, disk, backup)
        return all(len(disk.backups) == 2 for disk in wanted)

    def _tell_backup(self, disk: Disk, backup: dict[str, Any]) -> None:
        mode = "incremental" if backup["is_incremental"] else "full"
        self._story.say(
            f"{backup['status']:<10} {mode:<12} "
            f"{disk.project}/{disk.name} ({backup['size']} GiB)"
        )

    def _take(
        self, sandbox: Sandbox, disk: Disk, backup: dict[str, Any]
    ) -> None:
        """Remember a finished backup; after the full, change some bytes."""
        if not backup["is_incremental"] and "full" not in disk.backups:
            disk.backups["full"] = backup["id"]
            sandbox.scribble(disk.id, 1, at=100)
            disk.checksums["incremental"] = sandbox.sha256(disk.id)
            disk.changed_at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
        elif (
            backup["is_incremental"]
            and "incremental" not in disk.backups
            and backup["created_at"] > disk.changed_at
        ):
            disk.backups["incremental"] = backup["id"]

    def _restore_and_compare(self, sandbox: Sandbox) -> bool:
        good = True
        for name in ("web-data", "db-shared"):
            disk = next(disk for disk in self._disks if disk.name == name)
            for mode, backup_id in disk.backups.items():
                volume_id = sandbox.restore(backup_id, f"{name}-{mode}")
                found = sandbox.sha256(volume_id)
                equal = found == disk.checksums[mode]
                good = good and equal
                self._story.say(
                    f"{'equal    ' if equal else 'DIFFERENT'} {mode:<12} "
                    f"{disk.project}/{name}\n"
                    f"{'':12}sha256 before   {disk.checksums[mode]}\n"
                    f"{'':12}sha256 restored {found}"
                )
        return good

    def _tell_the_rest(self) -> None:
        failed = {
            each["volume_id"]: each["reason"]
            for each in json.loads(
                self._run(
                    "staffeln",
                    "task",
                    "list",
                    "--state",
                    "failed",
                    "-f",
                    "json",
                )
            )
        }
        for disk in self._disks:
            if disk.backups:
                continue
            reason = failed.get(disk.id)
            if reason is None and disk.expected == "untagged":
                tag = next(iter(TAG))
                reason = f"server {disk.servers} has no {tag}=true"
            print(f"  {disk.project}/{disk.name}: {reason}")

    # -- how it is done ----------------------------------------------------

    @property
    def _directory(self) -> pathlib.Path:
        """Staffeln's own, inside the cloud's."""
        assert self._state is not None
        return self._state / "staffeln"

    @property
    def _log_file(self) -> pathlib.Path:
        return self._directory / "conductor.log"

    def _command(self, name: str, *arguments: str) -> list[str]:
        configuration = str(self._directory / "staffeln.conf")
        return [str(BIN / name), "--config-file", configuration, *arguments]

    def _environment(self) -> dict[str, str]:
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("OS_") and name != "PYTHONPATH"
        }
        clouds = str(self._directory.parent / "clouds.yaml")
        local = "127.0.0.1,localhost"
        return {
            **clean,
            "OS_CLIENT_CONFIG_FILE": clouds,
            "no_proxy": local,
            "NO_PROXY": local,
        }

    def _run(self, name: str, *arguments: str) -> str:
        done = subprocess.run(
            self._command(name, *arguments),
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SceneryError(f"{name}: {done.stderr.strip()}")
        return done.stdout

    def _show(self, *command: str) -> None:
        """Print a table, as wide as the terminal."""
        indent = "  "
        width = shutil.get_terminal_size((120, 24)).columns - len(indent)
        text = self._run("staffeln", *command, "--max-width", str(width))
        print(textwrap.indent(text, indent), flush=True)

    @contextlib.contextmanager
    def _log_on_failure(self) -> Iterator[None]:
        try:
            yield
        except FAILURES:
            if self._log_file.exists():
                tail = self._log_file.read_text().splitlines()[-20:]
                print("\n".join(tail), file=sys.stderr)
            raise

    def tell_how_to_look_around(self) -> None:
        """After --keep: what runs, and the commands to see it."""
        self._story.chapter("All is left running. To look around:")
        if self._conductor:
            directory = self._directory
            command = f"{BIN}/staffeln --config-file {directory}/staffeln.conf"
            clouds = directory.parent / "clouds.yaml"
            print(
                f"  export OS_CLIENT_CONFIG_FILE={clouds}\n"
                f"  {command} plan\n"
                f"  {command} task list\n"
                f"  {command} backup list\n"
                f"  tail -f {self._log_file}"
            )
        print(f"  {CLOUD} status --name {NAME}\nTo stop it:")
        running = Background.noted(self._note)
        if running:
            print(f"  kill {running.pid}")
        print(f"  {CLOUD} down --name {NAME}")

    def stop(self) -> None:
        """Stop everything that was started, whatever fails meanwhile."""
        self._story.chapter("The end")
        with contextlib.ExitStack() as steps:
            steps.callback(cloud, "down")
            running = Background.noted(self._note)
            if running:
                steps.callback(self._stop_conductor, running)

    def _stop_conductor(self, conductor: Background) -> None:
        conductor.stop()
        self._story.say("staffeln-conductor stopped")


if __name__ == "__main__":
    sys.exit(main())
