# SPDX-License-Identifier: Apache-2.0
"""Programs of the operating system that the sandbox needs."""

from __future__ import annotations

import importlib.util
import os
import pathlib
import shutil
import subprocess

from sandbox_cloud.errors import SandboxError
from sandbox_cloud.progress import Progress

# The guard forbids dpkg to start services and is taken away again.
_INSTALL = """
set -e
export DEBIAN_FRONTEND=noninteractive
guard=/usr/sbin/policy-rc.d
mark='# of the sandbox cloud: start no service'
if [ ! -e $guard ] || grep -qF "$mark" $guard; then
    trap 'rm -f $guard' EXIT
    printf '#!/bin/sh\\n%s\\nexit 101\\n' "$mark" > $guard
    chmod 755 $guard
fi
dpkg --configure -a
apt="apt-get -q -y --no-install-recommends -o DPkg::Lock::Timeout=120"
$apt install "$@" || { apt-get -q update; $apt install "$@"; }
"""


def missing() -> list[str]:
    """The Debian packages whose programs or modules are not there."""
    path = os.pathsep.join(
        (os.environ.get("PATH", ""), "/usr/sbin", "/usr/bin", "/bin")
    )
    lacking = []
    if shutil.which("qemu-img", path=path) is None:
        lacking.append("qemu-utils")
    if importlib.util.find_spec("ensurepip") is None:
        lacking.append("python3-venv")
    return lacking


def install_missing(progress: Progress, log: pathlib.Path) -> None:
    """Install what is missing; Debian 12, as root or through sudo."""
    lacking = missing()
    if not lacking:
        return
    names = " ".join(lacking)
    if _debian_release() != "12":
        raise SandboxError(
            f"missing: {names} (as Debian calls it); only on Debian 12 are"
            " packages installed for you, so please install it yourself"
        )
    command = ["sh", "-c", _INSTALL, "install", *lacking]
    if os.getuid() != 0:
        if shutil.which("sudo") is None:
            raise SandboxError(
                f"missing: {names}; run as root: apt-get install {names}"
            )
        command = ["sudo", *command]
    with progress.step(f"apt-get install {names}"), log.open("ab") as out:
        done = subprocess.run(
            command,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=os.getuid() == 0,
        )
    if done.returncode:
        raise SandboxError(f"apt-get could not install {names}; see {log}")


def _debian_release() -> str | None:
    try:
        lines = pathlib.Path("/etc/os-release").read_text().splitlines()
    except FileNotFoundError:
        return None
    facts = dict(line.split("=", 1) for line in lines if "=" in line)
    if facts.get("ID") != "debian":
        return None
    return facts.get("VERSION_ID", "").strip('"')
