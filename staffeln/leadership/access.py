# SPDX-License-Identifier: Apache-2.0
"""Where Kubernetes' API server is, and as whom it is asked.

Either by a kubeconfig file or by what a pod finds in its own file system.
No word of these files is repeated in an error: they hold tokens.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import logging
import os
import pathlib
import re
import shutil
import tempfile
from collections.abc import Mapping
from typing import Any
from urllib import parse, request

import yaml
from kubernetes import client
from kubernetes.config import config_exception, incluster_config, kube_config

from staffeln.domain import errors
from staffeln.leadership import pod
from staffeln.leadership.settings import Settings

LOG = logging.getLogger(__name__)

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-.a-z0-9]*[a-z0-9])?")
_LONGEST_NAME = 253
_FILES_OF_CLUSTER = ("certificate-authority",)
_ODD_CONTENTS = (AttributeError, LookupError, TypeError, ValueError)
"""What the client raises for values of kinds that it does not expect."""
_FILES_OF_USER = ("client-certificate", "client-key", "tokenFile")


class Access:
    """One way to the API server; its files are removed by :meth:`close`."""

    def __init__(self, settings: Settings) -> None:
        """Read the files; an exec plugin is run.

        :raises ConfigurationError: they cannot be used.
        :raises CoordinationError: the exec plugin gives no credentials.
        """
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self.configuration = client.Configuration()
        # Every call is sent once: it has to end within its timeout.
        self.configuration.retries = False
        try:
            if settings.kubeconfig:
                self._load_kubeconfig(pathlib.Path(settings.kubeconfig))
            else:
                self._load_pod()
        except BaseException:
            self.close()
            raise
        _trim_token(self.configuration)

    def close(self) -> None:
        """Remove what was written; harmless when it is done."""
        if self._scratch is not None:
            self._scratch.cleanup()
            self._scratch = None

    def _load_pod(self) -> None:
        loader = incluster_config.InClusterConfigLoader(
            token_filename=str(pod.SERVICE_ACCOUNT / "token"),
            cert_filename=str(pod.SERVICE_ACCOUNT / "ca.crt"),
        )
        try:
            loader.load_and_set(self.configuration)
        except (config_exception.ConfigException, OSError, ValueError):
            raise errors.ConfigurationError(
                "the pod's service account cannot be used: "
                "KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT, or token "
                f"and ca.crt in {pod.SERVICE_ACCOUNT} are missing or empty"
            ) from None
        self.configuration.proxy = None

    def _load_kubeconfig(self, path: pathlib.Path) -> None:
        content = _Kubeconfig(path)
        content.check()
        for section, key in (
            (content.cluster, "certificate-authority"),
            (content.user, "client-certificate"),
            (content.user, "client-key"),
        ):
            if section.get(f"{key}-data"):
                # The client would write it to a file that all share, and
                # that stays when a worker ends as workers do.
                section[key] = self._write(path, key, section)
        loader = kube_config.KubeConfigLoader(
            config_dict=content.whole, config_base_path=str(path.parent)
        )
        try:
            loader.load_and_set(self.configuration)
        except (config_exception.ConfigException, OSError, *_ODD_CONTENTS):
            raise _refused(path, "the client cannot use it") from None
        if "exec" in content.user and not (
            self.configuration.api_key or self.configuration.cert_file
        ):
            raise errors.CoordinationError(
                f"kubeconfig {path}: its exec plugin "
                f"{content.plugin} gives no credentials"
            )
        _choose_proxy(
            self.configuration, bool(content.cluster.get("proxy-url"))
        )
        if not self.configuration.verify_ssl:
            LOG.warning(
                "The kubeconfig %s says insecure-skip-tls-verify: whoever "
                "stands between can read the token",
                path,
            )

    def _write(
        self, path: pathlib.Path, key: str, section: dict[str, Any]
    ) -> str:
        try:
            text = "".join(str(section.pop(f"{key}-data")).split())
            data = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise _refused(path, f"{key}-data is not base64") from None
        if self._scratch is None:
            self._scratch = tempfile.TemporaryDirectory(prefix="staffeln-")
        file = pathlib.Path(self._scratch.name) / key
        file.touch(0o600)
        file.write_bytes(data)
        return str(file)


class _Kubeconfig:
    """A kubeconfig file, looked at by its current context."""

    def __init__(self, path: pathlib.Path) -> None:
        """:raises ConfigurationError: it cannot be read."""
        self.path = path
        try:
            content = yaml.safe_load(path.read_text())
        except OSError as error:
            raise _refused(path, str(error.strerror)) from None
        except (yaml.YAMLError, ValueError):
            raise _refused(path, "it is not YAML") from None
        if not isinstance(content, dict):
            raise _refused(path, "it is no kubeconfig")
        self.whole = content
        name = content.get("current-context")
        if not name or not isinstance(name, str):
            raise _refused(path, "it has no current-context")
        self.context = self._named("context", name)
        self.cluster = self._named("cluster", self.context.get("cluster"))
        user = self.context.get("user")
        self.user = self._named("user", user) if user else {}

    def _named(self, kind: str, name: object) -> dict[str, Any]:
        """The section of that name in the list of that kind."""
        entries = self.whole.get(f"{kind}s")
        for each in entries if isinstance(entries, list) else ():
            if isinstance(each, dict) and each.get("name") == name:
                found = each.get(kind)
                if isinstance(found, dict):
                    for key in [x for x in found if found[x] in (None, "")]:
                        del found[key]  # to the client they would be values
                    return found
        raise _refused(self.path, f"there is no {kind} {name!r} in it")

    @property
    def plugin(self) -> str:
        """The command of the exec plugin; empty without one."""
        found = self.user.get("exec")
        command = found.get("command") if isinstance(found, dict) else None
        return str(command or "")

    @property
    def namespace(self) -> str:
        """The context's namespace; empty where it has none."""
        return str(self.context.get("namespace") or "")

    @property
    def server(self) -> str:
        """The API server's URL."""
        return str(self.cluster.get("server") or "")

    def check(self) -> None:
        """See that what it names is there.

        :raises ConfigurationError: it is not.
        """
        try:
            server = parse.urlsplit(self.server)
            usable = (
                server.scheme in ("http", "https")
                and bool(server.hostname)
                and server.port != 0
            )
        except ValueError:
            usable = False
        if not usable:
            raise _refused(self.path, "the cluster's server is not a URL")
        self._check_files(self.cluster, _FILES_OF_CLUSTER)
        self._check_files(self.user, _FILES_OF_USER)
        if "exec" in self.user:
            self._check_plugin()

    def _check_files(
        self, section: Mapping[str, Any], keys: tuple[str, ...]
    ) -> None:
        for key in keys:
            name = section.get(key)
            if name and not section.get(f"{key}-data"):
                file = self.path.parent / str(name)
                if not os.access(file, os.R_OK):
                    raise _refused(self.path, f"{key} {file} is not readable")

    def _check_plugin(self) -> None:
        command = self.plugin
        if not command:
            raise _refused(self.path, "its exec plugin has no command")
        found = shutil.which(
            str(self.path.parent / command) if "/" in command else command
        )
        if found is None:
            raise _refused(
                self.path, f"its exec plugin {command} is not on this host"
            )


def check(settings: Settings) -> None:
    """Look at what the options say of a Lease, without asking anybody.

    :raises ConfigurationError: it cannot work, in one line.
    """
    if settings.kubeconfig:
        _Kubeconfig(pathlib.Path(settings.kubeconfig)).check()
    elif not pod.in_cluster():
        raise errors.ConfigurationError(
            "[coordination] kubeconfig is empty, and this is not a pod with "
            "a service account"
        )
    name = settings.lease_name
    if len(name) > _LONGEST_NAME or not _is_subdomain(name):
        raise errors.ConfigurationError(
            f"[coordination] lease_name: {name!r} is not a name of up to "
            f"{_LONGEST_NAME} lower-case letters, digits, - and ."
        )
    space = namespace(settings)
    if not _LABEL.fullmatch(space):
        raise errors.ConfigurationError(
            f"[coordination] lease_namespace: {space!r} is not a name of up "
            "to 63 lower-case letters, digits and -"
        )


def namespace(settings: Settings) -> str:
    """The namespace of the Lease.

    :raises ConfigurationError: the kubeconfig cannot be read.
    """
    if settings.lease_namespace:
        return settings.lease_namespace
    if settings.kubeconfig:
        found = _Kubeconfig(pathlib.Path(settings.kubeconfig)).namespace
    else:
        found = pod.namespace()
    return found or "default"


def server(settings: Settings) -> str:
    """HOST:PORT of the API server.

    :raises ConfigurationError: the kubeconfig cannot be read.
    """
    if settings.kubeconfig:
        url = _Kubeconfig(pathlib.Path(settings.kubeconfig)).server
        parts = parse.urlsplit(url)
        host, port = parts.hostname or "", parts.port
        default = 80 if parts.scheme == "http" else 443
    else:
        host = os.environ.get("KUBERNETES_SERVICE_HOST", "")
        port = None
        default = int(os.environ.get("KUBERNETES_SERVICE_PORT") or 443)
    shown = f"[{host}]" if ":" in host else host
    return f"{shown}:{port or default}"


def _is_subdomain(name: str) -> bool:
    return bool(_SUBDOMAIN.fullmatch(name)) and all(
        _LABEL.fullmatch(part) for part in name.split(".")
    )


def _choose_proxy(configuration: client.Configuration, named: bool) -> None:
    """Which proxy it takes; what the kubeconfig names comes first."""
    if named:
        configuration.no_proxy = None
        return
    parts = parse.urlsplit(configuration.host)
    host = parts.hostname or ""
    if _is_loopback(host) or request.proxy_bypass(parts.netloc):
        configuration.proxy = None
        return
    proxies = request.getproxies()
    configuration.proxy = proxies.get(parts.scheme) or proxies.get("all")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _trim_token(configuration: client.Configuration) -> None:
    """Cut the line's end off the token, also whenever it is read again.

    Files end with one, and no header can hold it.
    """
    refresh = configuration.refresh_api_key_hook

    def refresh_and_trim(target: client.Configuration) -> None:
        if refresh is not None:
            refresh(target)
        target.api_key = {
            name: value.strip() for name, value in target.api_key.items()
        }
        target.refresh_api_key_hook = refresh_and_trim

    configuration.refresh_api_key_hook = refresh_and_trim


def _refused(path: pathlib.Path, why: str) -> errors.ConfigurationError:
    return errors.ConfigurationError(
        f"[coordination] kubeconfig {path}: {why}"
    )
