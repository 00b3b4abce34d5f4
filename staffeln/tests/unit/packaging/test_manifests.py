# SPDX-License-Identifier: Apache-2.0
"""The manifests of Kubernetes fit each other, and the code."""

from __future__ import annotations

import configparser
import pathlib
from typing import Any

from oslo_config import cfg

from staffeln import conf
from staffeln.tests import base
from staffeln.tests.unit.packaging import manifests

CONDUCTOR, API = "staffeln-conductor", "staffeln-api"


class ManifestTest(base.TestCase):
    def configuration(self, name: str, reader: conf.Reader) -> cfg.ConfigOpts:
        """What a Deployment's pods read, from its ConfigMap and Secrets."""
        workload = manifests.one("Deployment", name)
        for file, text in manifests.files(workload).items():
            (self.home / file).write_text(text)
        _, *arguments = manifests.container(workload)["command"]
        return conf.load(
            [
                each.replace("/etc/staffeln", str(self.home))
                for each in arguments
            ],
            prog=name,
            reader=reader,
        )

    def test_all_files_are_named(self) -> None:
        self.assertEqual(
            sorted(path.name for path in manifests.FOLDER.iterdir()),
            sorted(
                (
                    *manifests.kustomization()["resources"],
                    manifests.EXAMPLE,
                    manifests.ORDER,
                )
            ),
        )

    def test_all_is_in_one_namespace_with_one_image(self) -> None:
        for each in manifests.objects():
            if each["kind"] != "Namespace":
                self.assertEqual(
                    manifests.NAMESPACE, each["metadata"]["namespace"]
                )
        images = {
            manifests.container(each)["image"]
            for each in manifests.workloads()
        }
        (named,) = manifests.kustomization()["images"]
        self.assertEqual({f"{named['newName']}:{named['newTag']}"}, images)
        self.assertIn(
            f"-t {images.pop()} ",
            (manifests.ROOT / "Containerfile").read_text(),
        )

    def test_the_image_has_all_commands_and_its_user(self) -> None:
        setup = configparser.ConfigParser()
        setup.read(manifests.ROOT / "setup.cfg")
        scripts = setup["entry_points"]["console_scripts"]
        for each in manifests.workloads():
            command = manifests.container(each)["command"][0]
            self.assertIn(f"{command} = ", scripts)
            pod = each["spec"]["template"]["spec"]
            user = pod["securityContext"]["runAsUser"]
            self.assertIn(
                f"\nUSER {user}:{pod['securityContext']['runAsGroup']}\n",
                (manifests.ROOT / "Containerfile").read_text(),
            )

    def test_commands_read_what_is_mounted(self) -> None:
        for each in manifests.workloads():
            read = {
                pathlib.Path(word.removeprefix("--config-file=")).name
                for word in manifests.container(each)["command"]
                if word.startswith("--config-file=/etc/staffeln/")
            }
            self.assertEqual(set(manifests.files(each)), read)

    def test_only_conductors_have_the_password(self) -> None:
        for each in manifests.workloads():
            self.assertEqual(
                each["metadata"]["name"] == CONDUCTOR,
                "openstack.conf" in manifests.files(each),
            )

    def test_selectors_find_their_pods(self) -> None:
        for each in manifests.workloads():
            labels = each["spec"]["template"]["metadata"]["labels"]
            if each["kind"] == "Deployment":
                selector = each["spec"]["selector"]["matchLabels"]
                self.assertLessEqual(selector.items(), labels.items())
        names = {CONDUCTOR, API}
        for each in manifests.objects():
            kind = each["kind"]
            if kind == "PodDisruptionBudget":
                selector = each["spec"]["selector"]["matchLabels"]
            elif kind == "Service":
                selector = each["spec"]["selector"]
            else:
                continue
            self.assertIn(selector["app.kubernetes.io/name"], names)

    def test_conductors_end_in_their_time(self) -> None:
        read = self.configuration(CONDUCTOR, conf.Reader.CONDUCTOR)
        pod = manifests.one("Deployment", CONDUCTOR)["spec"]["template"]
        self.assertGreater(
            pod["spec"]["terminationGracePeriodSeconds"],
            read.graceful_shutdown_timeout,
        )

    def test_probes_look_where_a_conductor_writes(self) -> None:
        read = self.configuration(CONDUCTOR, conf.Reader.CONDUCTOR)
        made = manifests.container(manifests.one("Deployment", CONDUCTOR))
        for probe in ("livenessProbe", "readinessProbe"):
            self.assertIn(
                read.conductor.alive_file,
                " ".join(made[probe]["exec"]["command"]),
            )
        mounts = {each["mountPath"] for each in made["volumeMounts"]}
        self.assertIn(
            str(pathlib.Path(read.conductor.alive_file).parent), mounts
        )
        self.assertIn(read.state_path, mounts)

    def test_ports_are_those_of_the_options(self) -> None:
        conductor = self.configuration(CONDUCTOR, conf.Reader.CONDUCTOR)
        api = self.configuration(API, conf.Reader.API)
        self.assertEqual(
            {"metrics": conductor.metrics.port}, self.ports(CONDUCTOR)
        )
        self.assertEqual(
            {"api": api.api.port, "metrics": api.api.metrics_port},
            self.ports(API),
        )
        terms = manifests.one("Deployment", API)["spec"]["template"]["spec"]
        self.assertGreater(
            terms["terminationGracePeriodSeconds"], api.api.graceful_timeout
        )

    def test_a_doctor_beside_a_conductor_reaches_the_api(self) -> None:
        out = manifests.one("NetworkPolicy", CONDUCTOR)["spec"]["egress"]
        into = manifests.one("NetworkPolicy", API)["spec"]["ingress"]
        self.assertIn((API, "api"), self.peers(out, "to"))
        self.assertIn((CONDUCTOR, "api"), self.peers(into, "from"))

    def peers(self, rules: list[Any], side: str) -> set[tuple[str, str]]:
        """Whose pods are named in a policy's rules, with the port."""
        return {
            (
                peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"],
                port["port"],
            )
            for rule in rules
            for peer in rule.get(side, ())
            if "podSelector" in peer
            for port in rule["ports"]
        }

    def ports(self, name: str) -> dict[str, int]:
        made = manifests.container(manifests.one("Deployment", name))
        return {each["name"]: each["containerPort"] for each in made["ports"]}

    def test_the_role_is_for_the_lease_of_the_options(self) -> None:
        read = self.configuration(CONDUCTOR, conf.Reader.CONDUCTOR)
        named, unnamed = manifests.one("Role", "staffeln-scheduler")["rules"]
        self.assertEqual(
            [read.coordination.lease_name], named["resourceNames"]
        )
        self.assertEqual(["create"], unnamed["verbs"])
        self.assertEqual("", read.coordination.backend_url)

    def test_no_pod_may_more_than_it_needs(self) -> None:
        """Else the level of the namespace keeps it from being made."""
        (space,) = manifests.read("namespace.yaml")
        self.assertEqual(
            "restricted",
            space["metadata"]["labels"]["pod-security.kubernetes.io/enforce"],
        )
        for each in manifests.workloads():
            pod = each["spec"]["template"]["spec"]
            self.assertTrue(pod["securityContext"]["runAsNonRoot"])
            profile = pod["securityContext"]["seccompProfile"]["type"]
            self.assertEqual("RuntimeDefault", profile)
            kinds = {kind for volume in pod["volumes"] for kind in volume}
            self.assertEqual({"name", "projected", "emptyDir"}, kinds)
            context = manifests.container(each)["securityContext"]
            self.assertFalse(context["allowPrivilegeEscalation"])
            self.assertTrue(context["readOnlyRootFilesystem"])
            self.assertEqual(["ALL"], context["capabilities"]["drop"])
            self.assertEqual(
                each["metadata"]["name"] == CONDUCTOR,
                pod.get("automountServiceAccountToken", True),
            )
