# SPDX-License-Identifier: Apache-2.0
"""A real API server of Kubernetes for tests, with an etcd of its own."""

from __future__ import annotations

import collections
import functools
import json
import os
import pathlib
import secrets
import signal
import time
from collections.abc import Iterator, Mapping
from typing import Any

import requests
import yaml

from staffeln.tests.servers import etcd, freezable, process

VERSION = "1.20.2"
"""What tools/lib/kube_apiserver.sh builds."""
RBAC = pathlib.Path(__file__).parents[3] / "etc/kubernetes/rbac.yaml"
"""What operators are given; the tests have no more."""
ACCOUNT = "staffeln"
"""The service account in it."""
POOR = "poor"
"""A service account without any rights."""

_AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {
            "level": "Metadata",
            "resources": [
                {"group": "coordination.k8s.io", "resources": ["leases"]}
            ],
        },
        {"level": "None"},
    ],
}


class Kubernetes:
    """An API server whose namespaces, accounts and Leases are the tests'.

    It has no controllers: what is made is kept, and nothing else happens.
    """

    def __init__(self) -> None:
        """:raises ServerError: it cannot be started, in one line."""
        server = process.find(
            "kube-apiserver", "golang-1.19-go, which builds it", folders()
        )
        self._admin = secrets.token_hex(16)
        self._namespaces = 0
        self._etcd = etcd.Etcd()
        folder = process.make_folder(None)
        self._folder = folder
        try:
            _write(folder / "tokens", f"{self._admin},admin,1,system:masters")
            _write(folder / "audit.yaml", json.dumps(_AUDIT_POLICY))
            self._process = freezable.Freezable(
                folder,
                lambda port: [
                    *process.as_user(None),
                    server,
                    *_arguments(folder, port, self._etcd.port),
                ],
                self._answers,
                signal.SIGTERM,
            )
        except BaseException:
            self._etcd.stop()
            raise

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"https://127.0.0.1:{self._process.port}"

    @property
    def authority(self) -> pathlib.Path:
        """The certificates that prove it."""
        return self._folder / "pki" / "apiserver.crt"

    def stop(self) -> None:
        """End it and its etcd, and remove their data."""
        self._process.stop()
        self._etcd.stop()

    # -- disturbances ------------------------------------------------------

    def freeze(self) -> None:
        """Let the API server stand still."""
        self._process.freeze()

    def freeze_etcd(self) -> None:
        """Let etcd stand still: the API server answers, but not on data."""
        self._etcd.freeze()

    def thaw(self) -> None:
        """Let both go on; harmless when they do."""
        self._etcd.thaw()
        self._process.thaw()

    def end(self) -> None:
        """End the API server and keep its data: connections are refused."""
        self._process.end()

    def start(self) -> None:
        """Start it again where it was; harmless when it runs."""
        self._process.start()

    def restart(self) -> None:
        """End the API server and start it again, on its port."""
        self._process.restart()

    def restart_etcd(self) -> None:
        """End etcd and start it again, on its port with its data."""
        self._etcd.restart()

    # -- namespaces and who may do what in them ----------------------------

    def make_namespace(self) -> str:
        """A namespace of its own with what operators put there.

        :raises ServerError: the rights do not come.
        """
        self._namespaces += 1
        name = f"staffeln-{self._namespaces}"
        self.ask(
            "POST",
            "/api/v1/namespaces",
            _object("v1", "Namespace", name),
        )
        accounts = f"/api/v1/namespaces/{name}/serviceaccounts"
        self.ask("POST", accounts, _object("v1", "ServiceAccount", POOR))
        for each in yaml.safe_load_all(RBAC.read_text()):
            each["metadata"]["namespace"] = name
            for subject in each.get("subjects", ()):
                subject["namespace"] = name
            self.ask("POST", _collection(each, name), each)
        self._wait_for_rights(name)
        return name

    def _wait_for_rights(self, namespace: str) -> None:
        """It hears of a new Role a moment later."""
        question = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": f"system:serviceaccount:{namespace}:{ACCOUNT}",
                "resourceAttributes": {
                    "group": "coordination.k8s.io",
                    "resource": "leases",
                    "verb": "create",
                    "namespace": namespace,
                },
            },
        }
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        limit = time.monotonic() + process.START_LIMIT
        while not self.ask("POST", path, question)["status"]["allowed"]:
            if time.monotonic() > limit:
                raise process.ServerError(f"nobody has rights in {namespace}")
            time.sleep(0.01)

    def token(self, namespace: str, account: str = ACCOUNT) -> str:
        """A new token of a service account, as pods get them."""
        answer = self.ask(
            "POST",
            f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token",
            {
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": {"expirationSeconds": 7200},
            },
        )
        return str(answer["status"]["token"])

    def kubeconfig(
        self,
        path: pathlib.Path,
        namespace: str,
        account: str = ACCOUNT,
        *,
        user: Mapping[str, Any] | None = None,
        cluster: Mapping[str, Any] | None = None,
    ) -> str:
        """Write a kubeconfig that nobody else can read; returns its path.

        :param user: the user's section; None: with a new token.
        :param cluster: what to put into the cluster's section besides.
        """
        if user is None:
            user = {"token": self.token(namespace, account)}
        clusters = {
            "server": self.url,
            "certificate-authority": str(self.authority),
        } | dict(cluster or {})
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "clusters": [{"name": "here", "cluster": clusters}],
            "users": [{"name": "me", "user": dict(user)}],
            "contexts": [
                {
                    "name": "here",
                    "context": {
                        "cluster": "here",
                        "user": "me",
                        "namespace": namespace,
                    },
                }
            ],
        }
        _write(path, yaml.safe_dump(content))
        return str(path)

    def kubeconfig_for_admin(self, path: pathlib.Path, namespace: str) -> str:
        """Write a kubeconfig with all rights; returns its path."""
        return self.kubeconfig(path, namespace, user={"token": self._admin})

    # -- as the administrator ----------------------------------------------

    def ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Ask the API server with all rights.

        :raises requests.HTTPError: it refuses.
        """
        answer = self._request(self.url, self._admin, method, path, body)
        answer.raise_for_status()
        return dict(answer.json())

    def status(self, token: str, method: str, path: str) -> int:
        """The HTTP status that somebody else gets."""
        return self._request(self.url, token, method, path).status_code

    def apply(
        self, made: Mapping[str, Any], *, dry_run: bool
    ) -> requests.Response:
        """Apply an object on the server's side, strictly.

        :param dry_run: all is checked, and nothing is kept.
        """
        query = "fieldManager=staffeln&force=true&fieldValidation=Strict"
        if dry_run:
            query += "&dryRun=All"
        return self._request(
            self.url,
            self._admin,
            "PATCH",
            f"{self._path(made)}?{query}",
            made,
            {"Content-Type": "application/apply-patch+yaml"},
        )

    def _path(self, made: Mapping[str, Any]) -> str:
        """Where an object is, as the server itself says."""
        version = made["apiVersion"]
        group = f"/apis/{version}" if "/" in version else f"/api/{version}"
        name = made["metadata"]["name"]
        for resource in self.ask("GET", group)["resources"]:
            if (
                resource["kind"] == made["kind"]
                and "/" not in (resource["name"])
            ):
                if resource["namespaced"]:
                    group += f"/namespaces/{made['metadata']['namespace']}"
                return f"{group}/{resource['name']}/{name}"
        raise process.ServerError(f"{version} has no {made['kind']}")

    def rules(self, token: str, namespace: str) -> list[dict[str, Any]]:
        """What somebody may do with the resources of a namespace."""
        answer = self._request(
            self.url,
            token,
            "POST",
            "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
            {"spec": {"namespace": namespace}},
        )
        answer.raise_for_status()
        return list(answer.json()["status"]["resourceRules"])

    def listable(self, namespace: str) -> Iterator[str]:
        """The paths of all lists that there are, of a namespace or not."""
        groups = [
            "/api/v1",
            *(
                f"/apis/{group['preferredVersion']['groupVersion']}"
                for group in self.ask("GET", "/apis")["groups"]
            ),
        ]
        for group in groups:
            for resource in self.ask("GET", group)["resources"]:
                if "list" in resource["verbs"]:
                    if resource["namespaced"]:
                        yield (
                            f"{group}/namespaces/{namespace}/"
                            f"{resource['name']}"
                        )
                    yield f"{group}/{resource['name']}"

    def _request(
        self,
        url: str,
        token: str,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        # No setting of the host's: its proxy does not lead to loopback.
        with requests.Session() as session:
            session.trust_env = False
            return session.request(
                method,
                url + path,
                json=body,
                headers={
                    "Authorization": f"Bearer {token}",
                    **(headers or {}),
                },
                verify=str(self.authority),
                timeout=30,
            )

    def lease(self, namespace: str, name: str) -> dict[str, Any]:
        """A Lease as it is stored."""
        return self.ask("GET", _lease_path(namespace, name))

    def change_lease(
        self, namespace: str, name: str, spec: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        """Replace a Lease's contents, or make it; None: it has none."""
        made: dict[str, Any] = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": name, "namespace": namespace},
        }
        if spec is not None:
            made["spec"] = dict(spec)
        try:
            old = self.lease(namespace, name)
        except requests.HTTPError:
            return self.ask("POST", _lease_path(namespace, ""), made)
        version = old["metadata"]["resourceVersion"]
        made["metadata"]["resourceVersion"] = version
        return self.ask("PUT", _lease_path(namespace, name), made)

    def delete_lease(self, namespace: str, name: str) -> None:
        """Remove a Lease."""
        self.ask("DELETE", _lease_path(namespace, name))

    def requests(self, namespace: str) -> collections.Counter[tuple[str, str]]:
        """How many requests for Leases of a namespace it has answered.

        By user agent and verb; the administrator's do not count.
        """
        found: collections.Counter[tuple[str, str]] = collections.Counter()
        for line in (self._folder / "audit").read_text().splitlines():
            event = json.loads(line)
            if (
                event["objectRef"].get("namespace") == namespace
                and event["user"]["username"] != "admin"
            ):
                found[event["userAgent"], event["verb"]] += 1
        return found

    def _answers(self, port: int) -> bool:
        url = f"https://127.0.0.1:{port}"
        try:
            answer = self._request(url, self._admin, "GET", "/readyz")
        except (requests.RequestException, OSError):
            return False
        return answer.ok


def folders() -> list[pathlib.Path]:
    """Where tools/test.sh puts the program that it builds."""
    return [
        process.cache() / "kube-apiserver" / VERSION,
        pathlib.Path("/usr/local/bin"),
    ]


def _arguments(folder: pathlib.Path, port: int, etcd_port: int) -> list[str]:
    pki = folder / "pki"
    return [
        f"--etcd-servers=http://127.0.0.1:{etcd_port}",
        "--storage-media-type=application/json",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={port}",
        # It makes a certificate there, and signs tokens with the same key.
        f"--cert-dir={pki}",
        f"--service-account-key-file={pki / 'apiserver.key'}",
        f"--service-account-signing-key-file={pki / 'apiserver.key'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-cluster-ip-range=10.0.0.0/24",
        f"--token-auth-file={folder / 'tokens'}",
        "--authorization-mode=RBAC",
        "--endpoint-reconciler-type=none",
        # Nothing here makes the secrets that it would wait for.
        "--disable-admission-plugins=ServiceAccount",
        f"--audit-policy-file={folder / 'audit.yaml'}",
        f"--audit-log-path={folder / 'audit'}",
    ]


def _write(path: pathlib.Path, content: str) -> None:
    """Write a file that nobody else can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w") as file:
        file.write(content)


def _object(version: str, kind: str, name: str) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}}


def _collection(made: Mapping[str, Any], namespace: str) -> str:
    version = made["apiVersion"]
    group = f"/apis/{version}" if "/" in version else f"/api/{version}"
    return f"{group}/namespaces/{namespace}/{made['kind'].lower()}s"


def _lease_path(namespace: str, name: str) -> str:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    return f"{path}/{name}" if name else path


@functools.cache
def shared() -> Kubernetes:
    """One server for all tests of this process; it ends with it."""
    return Kubernetes()
