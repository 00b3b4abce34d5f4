# SPDX-License-Identifier: Apache-2.0
"""The venv that OpenStack runs in."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
import sys

from sandbox_cloud import layout, locking
from sandbox_cloud.errors import SandboxError
from sandbox_cloud.progress import Progress

# Written last: a venv without it is a half one and is made again.  (A venv
# cannot be moved into place: its scripts know where they were made.)
COMPLETE = "complete"
NEWEST_PYTHON = (3, 12)
# Have children end with this process even when it is killed.
TIED = ("setpriv", "--pdeathsig", "KILL", "--")


def ready_venv() -> pathlib.Path | None:
    """The finished venv for the present pins, None before it is made."""
    venv = layout.venv_directory(_python()[1])
    works = (venv / "bin" / "python").exists()
    return venv if works and (venv / COMPLETE).exists() else None


def make_venv(progress: Progress) -> pathlib.Path:
    """Make the venv when it is not there; one process at a time."""
    python, version = _python()
    venv = layout.venv_directory(version)
    with locking.held(venv.with_suffix(".lock"), progress):
        if ready_venv() is not None:
            return venv
        if venv.exists():
            progress.say("  throwing away a half-made venv")
            shutil.rmtree(venv)
        log = venv.with_suffix(".log")
        log.write_text("")
        progress.say(f"  OpenStack 2025.1 goes into {venv}")
        with progress.step("venv"):
            _run([python, "-m", "venv", str(venv)], log, progress)
            _pip(venv, log, progress, "pip", "setuptools", "wheel")
        with progress.step("pip install OpenStack"):
            _pip(
                venv,
                log,
                progress,
                "--build-constraint",
                str(layout.CONSTRAINTS),
                "-r",
                str(layout.REQUIREMENTS),
            )
        (venv / COMPLETE).write_text("")
    return venv


def _python() -> tuple[str, str]:
    """An interpreter that OpenStack 2025.1 runs on, and its version."""
    if sys.version_info[:2] <= NEWEST_PYTHON:
        return sys.executable, sys.version
    for name in ("python3.12", "python3.11"):
        found = shutil.which(name)
        if found:
            return found, name
    raise SandboxError(
        "OpenStack 2025.1 needs Python 3.11 or 3.12; this is "
        f"{sys.version_info.major}.{sys.version_info.minor} and no older one"
        " is installed"
    )


def _pip(
    venv: pathlib.Path, log: pathlib.Path, progress: Progress, *what: str
) -> None:
    pip = [str(venv / "bin" / "python"), "-m", "pip", "install"]
    constraints = ["-c", str(layout.CONSTRAINTS)]
    _run([*pip, "--no-input", *constraints, *what], log, progress)


def _run(command: list[str], log: pathlib.Path, progress: Progress) -> None:
    """Run one command of the installation and follow what it prints."""
    # pip's own settings in the environment stay: they say where packages
    # come from on this machine.
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONPATH", "PYTHONHOME", "PIP_USER")
    }
    pinned = layout.CONSTRAINTS.read_text().count("==")
    collected = 0
    with log.open("a") as out:
        process = subprocess.Popen(
            [*TIED, *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None
        try:
            for line in process.stdout:
                out.write(line)
                out.flush()
                if re.match(r"Collecting ", line):
                    collected += 1
                    progress.detail(f"{collected} of {pinned} found")
                elif line.startswith("Installing collected"):
                    progress.detail(f"unpacking {collected} packages")
        except BaseException:
            process.kill()
            process.wait()
            raise
    if process.wait():
        reason = _last_error(log)
        raise SandboxError(f"{reason}; all that was printed is in {log}")


def _last_error(log: pathlib.Path) -> str:
    lines = log.read_text().splitlines()
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or ["the installation failed"])[-1].strip()
