# SPDX-License-Identifier: Apache-2.0
"""From a command line and files to a checked configuration."""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Sequence

from oslo_config import cfg

from staffeln import version
from staffeln.conf import checking, opts
from staffeln.domain import errors

_FLAG = re.compile(r"argument --(\S+): Invalid Boolean value:(.*)")

DEFAULT_FILE = "/etc/staffeln/staffeln.conf"


def load(
    argv: Sequence[str],
    *,
    prog: str,
    about: str = "",
    default_config_files: Sequence[str] = (DEFAULT_FILE,),
    cli_opts: Sequence[cfg.Opt] = (),
    reader: opts.Reader = opts.Reader.CONDUCTOR,
    checked: bool = True,
) -> cfg.ConfigOpts:
    """Parse a command line and the files that it names, and check all.

    Defaults that do not exist are left out. ``--help`` and ``--version``
    print and exit, as usual.

    :param about: what the program does, for ``--help``.
    :param cli_opts: options of this program's command line alone.
    :param reader: the groups that are read and checked.
    :param checked: False: only parse; for who looks for what is wrong.
    :raises ConfigurationError: one line that says what is wrong.
    """
    conf = cfg.ConfigOpts()
    opts.register_opts(conf, reader)
    conf.register_cli_opts(cli_opts)
    _parse(conf, argv, prog, about, default_config_files)
    if checked:
        checking.check(conf)
    return conf


def load_unchecked(
    config_files: Sequence[str], *, prog: str
) -> cfg.ConfigOpts:
    """All options of all programs, whatever is wrong with their values.

    For who looks for what is wrong: :func:`checking.check` says it.

    :param config_files: none: the default one, where it exists.
    :raises ConfigurationError: a file cannot be read at all.
    """
    conf = cfg.ConfigOpts()
    opts.register_opts(conf, opts.Reader.DOCTOR)
    argv = [word for path in config_files for word in ("--config-file", path)]
    _parse(conf, argv, prog, "", (DEFAULT_FILE,))
    return conf


def _parse(
    conf: cfg.ConfigOpts,
    argv: Sequence[str],
    prog: str,
    about: str,
    default_config_files: Sequence[str],
) -> None:
    complaints = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaints):
            conf(
                list(argv),
                project="staffeln",
                prog=prog,
                description=about
                and f"{about} It reads {DEFAULT_FILE} unless --config-file "
                "names another file.",
                version=version.version_string(),
                default_config_files=[
                    path
                    for path in default_config_files
                    if os.path.exists(path)
                ],
                default_config_dirs=[],
            )
    except SystemExit as leaving:
        if not leaving.code:
            raise
        raise errors.ConfigurationError(
            _complaint(complaints.getvalue(), prog)
        ) from None
    except RecursionError:
        raise errors.ConfigurationError(
            "an option of the configuration refers to itself"
        ) from None
    except cfg.ConfigFileParseError as error:
        # The line itself stays out: it may be a password's.
        said, _, _ = str(error).partition(": '")
        raise errors.ConfigurationError(checking.one_line(said)) from None
    except UnicodeDecodeError as error:
        named = [word.removeprefix("--config-file=") for word in argv]
        where = _no_text([*named, *default_config_files])
        raise errors.ConfigurationError(
            f"the configuration file {where} is no UTF-8: {error.reason} at "
            f"byte {error.start}"
        ) from None
    except (cfg.Error, OSError, ValueError) as error:
        raise errors.ConfigurationError(
            f"the configuration cannot be read: {_why(error)}"
        ) from None


def _why(error: Exception) -> str:
    # Only the question for the working directory fails without a name.
    if isinstance(error, FileNotFoundError) and error.filename is None:
        return (
            "a path is relative to the working directory, which was "
            "deleted: go to another one"
        )
    return checking.one_line(str(error))


def _no_text(paths: Sequence[str]) -> str:
    """The first of them that is no text: oslo.config does not say."""
    for path in paths:
        try:
            with open(path, encoding="utf-8") as file:
                file.read()
        except UnicodeDecodeError:
            return path
        except (OSError, ValueError):
            continue
    return "in use"


def _complaint(text: str, prog: str) -> str:
    """The last line of what argparse said: the one without the usage.

    A flag takes no value on a command line: a wrong one is a file's, or of
    the environment.
    """
    said = text.strip().splitlines() or ["the command line is wrong"]
    flag = _FLAG.search(said[-1])
    if flag is not None:
        name, value = flag[1].replace("-", "_"), flag[2].strip()
        return checking.one_line(
            f"[DEFAULT] {name} = {value!r}: must be true or false"
        )
    return checking.one_line(said[-1].removeprefix(f"{prog}: error: "))
