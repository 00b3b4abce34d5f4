# SPDX-License-Identifier: Apache-2.0
"""The demo: Staffeln at work on the sandbox cloud, start to end."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
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
from typing import Any

from sandbox.scenery import CLOUD, Sandbox, SceneryError, Tenant, wait_for

BIN = pathlib.Path(sys.executable).parent
NAME = "demo"
TAG = {"__staffeln_backup": "true"}
INTERVAL = 40
PATIENCE = 300

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


@dataclasses.dataclass
class Disk:
    """A volume of the scene and what is known of it."""

    id: str
    name: str
    project: str
    servers: str
    expected: str
    """What should become of it, or why nothing should."""
    checksums: dict[str, str] = dataclasses.field(default_factory=dict)
    """sha256 of the volume's bytes at the time of each mode's backup."""
    changed_at: str = ""
    backups: dict[str, str] = dataclasses.field(default_factory=dict)
    """The backup of each mode that is to be restored."""


class Story:
    """Prints what happens, with the time since the start."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def chapter(self, title: str) -> None:
        print(
            f"\n\033[1m{title}\033[0m"
            if sys.stdout.isatty()
            else f"\n{title}",
            flush=True,
        )

    def say(self, words: str) -> None:
        elapsed = time.monotonic() - self._began
        print(f"  {elapsed:6.1f} s  {words}", flush=True)


def main() -> int:
    """Run the demo; 0 when all checksums are equal."""
    parser = argparse.ArgumentParser(prog="tools/demo.sh")
    parser.add_argument("--keep", action="store_true")
    keep = parser.parse_args().keep
    story = Story()
    demo = Demo(story)
    try:
        good = demo.run()
    except (SceneryError, subprocess.CalledProcessError) as error:
        print(f"demo: {error}", file=sys.stderr)
        good = False
    except KeyboardInterrupt:
        print("demo: interrupted", file=sys.stderr)
        good = False
    if keep:
        demo.tell_how_to_look_around()
    else:
        demo.stop()
    if good:
        story.chapter("All checksums are equal.")
    return 0 if good else 1


class Demo:
    """The scene, the conductor, and what is checked."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._conductor: subprocess.Popen[bytes] | None = None
        self._disks: list[Disk] = []
        self._state = pathlib.Path()
        self._directory = pathlib.Path()

    # -- the acts ----------------------------------------------------------

    def run(self) -> bool:
        """All acts in order; whether every restored byte was right."""
        say, chapter = self._story.say, self._story.chapter
        chapter("A cloud")
        sandbox = self._bring_up_cloud()
        chapter("Projects, servers and volumes with random bytes")
        self._make_scene(sandbox)
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

    def _bring_up_cloud(self) -> Sandbox:
        for action in ("reset", "up"):
            subprocess.run([str(CLOUD), action, "--name", NAME], check=True)
        sandbox = Sandbox.named(NAME)
        self._state = sandbox.state
        self._directory = self._state / "staffeln"
        self._directory.mkdir()
        return sandbox

    def _make_scene(self, sandbox: Sandbox) -> None:
        say = self._story.say
        apples = sandbox.project("apples")
        pears = sandbox.project("pears")
        say("projects apples and pears, one member each")
        backed_up = "full, then incremental"
        root = self._disk(apples, "web-root", "web", backed_up)
        data = self._disk(apples, "web-data", "web", backed_up)
        apples.server("web", root.id, data.id, metadata=TAG)
        say("server apples/web, tagged, with two volumes")
        idle = self._disk(apples, "scratch-root", "scratch", "untagged")
        apples.server("scratch", idle.id)
        say("server apples/scratch, not tagged")
        one = self._disk(pears, "db-1-root", "db-1", backed_up)
        two = self._disk(pears, "db-2-root", "db-2", backed_up)
        shared = self._disk(
            pears, "db-shared", "db-1 db-2", backed_up, "multiattach"
        )
        pears.server("db-1", one.id, shared.id, metadata=TAG)
        second = pears.server("db-2", two.id, metadata=TAG)
        pears.attach(second, shared.id)
        say("servers pears/db-1 and pears/db-2, tagged, sharing a volume")
        odd = self._disk(pears, "db-2-broken", "db-2", "odd state")
        pears.attach(second, odd.id)
        sandbox.admin.block_storage.reset_volume_status(
            odd.id, "error", "attached", None
        )
        say("volume pears/db-2-broken, attached, in error status")

    def _disk(
        self,
        tenant: Tenant,
        name: str,
        servers: str,
        expected: str,
        volume_type: str | None = None,
    ) -> Disk:
        volume_id = tenant.volume(
            name, random_mebibytes=8, volume_type=volume_type
        )
        disk = Disk(volume_id, name, tenant.name, servers, expected)
        disk.checksums["full"] = tenant.sandbox.sha256(volume_id)
        self._disks.append(disk)
        return disk

    def _configure(self) -> None:
        (self._directory / "staffeln.conf").write_text(
            CONFIGURATION.format(directory=self._directory, interval=INTERVAL)
        )
        self._story.say(f"configuration {self._directory / 'staffeln.conf'}")

    def _start_conductor(self) -> None:
        self._conductor = subprocess.Popen(
            self._command("staffeln-conductor"),
            env=self._environment(),
            stdout=subprocess.DEVNULL,
            stderr=(self._directory / "conductor.err").open("wb"),
            start_new_session=True,
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
        if self._conductor and self._conductor.poll() is not None:
            raise SceneryError("staffeln-conductor has ended")
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
        clouds = str(self._state / "clouds.yaml")
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
        except SceneryError:
            if self._log_file.exists():
                tail = self._log_file.read_text().splitlines()[-20:]
                print("\n".join(tail), file=sys.stderr)
            raise

    def tell_how_to_look_around(self) -> None:
        """After --keep: what runs, and the commands to see it."""
        self._story.chapter("All is left running. To look around:")
        environment = f"OS_CLIENT_CONFIG_FILE={self._state}/clouds.yaml"
        command = (
            f"{BIN}/staffeln --config-file {self._directory}/staffeln.conf"
        )
        print(
            f"  export {environment}\n"
            f"  {command} plan\n"
            f"  {command} task list\n"
            f"  {command} backup list\n"
            f"  tail -f {self._log_file}\n"
            f"  {CLOUD} status --name {NAME}\n"
            "To stop it:\n"
            f"  kill {self._conductor.pid if self._conductor else ''}\n"
            f"  {CLOUD} down --name {NAME}"
        )

    def stop(self) -> None:
        """Stop everything that was started."""
        if self._conductor and self._conductor.poll() is None:
            self._conductor.send_signal(signal.SIGTERM)
            try:
                self._conductor.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(self._conductor.pid, signal.SIGKILL)
        self._story.chapter("The end")
        self._story.say("staffeln-conductor stopped")
        subprocess.run(
            [str(CLOUD), "down", "--name", NAME],
            check=True,
        )


if __name__ == "__main__":
    sys.exit(main())
