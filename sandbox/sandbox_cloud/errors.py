# SPDX-License-Identifier: Apache-2.0
"""What can go wrong, in one line each, with the exit code it leads to."""


class SandboxError(Exception):
    """The command cannot be carried out; the text says why."""

    exit_code = 1


class PortTaken(SandboxError):
    """Somebody else listens on a port that a service needs."""

    exit_code = 2


class BadRequest(SandboxError):
    """The command line asks for something that does not exist."""

    exit_code = 2
