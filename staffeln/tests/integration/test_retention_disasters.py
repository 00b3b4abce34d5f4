# SPDX-License-Identifier: Apache-2.0
"""Disasters that must not cost a single backup, on a real cloud.

In each of them a chain has expired, and would be deleted but for the
disaster: first its reason is told, then nothing is lost for as long as it
lasts, and where it ends that chain goes and nothing else.
"""

from __future__ import annotations

import contextlib
import json
import pathlib
import re
import shutil
import signal
import tempfile
from collections.abc import Mapping
from typing import ClassVar

from staffeln.tests.integration import base
from staffeln.tests.integration.proxy import Harm, Proxy, Rule
from staffeln.tests.integration.retention_scene import Chain, Scene

CHAINS = 7
RETENTION_KEY = "__staffeln_retention"
WHILE = 6.0
"""Seconds of a disaster: longer than absence_settle_time, some rounds."""
YEAR = 365 * 86_400
ALWAYS = 1_000_000


class DisasterTest(base.IntegrationTestCase):
    scene: ClassVar[Scene]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        directory = pathlib.Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, directory)
        cls.scene = Scene(directory, CHAINS)

    def setUp(self) -> None:
        super().setUp()
        self.key = self.scene.key
        self.tenant = self.scene.tenant
        self.chain = self.scene.fresh[0]
        self.before = self.scene.there()
        self.assertLess(self.chain.backups, self.before)

    # -- what happens ------------------------------------------------------

    def test_credentials_of_another_region_delete_nothing(self) -> None:
        self.enterContext(self.scene.another_region("elsewhere"))
        clouds = self._clouds_file("region_name: RegionOne", "elsewhere")
        conductor = self._conductor({"OS_CLIENT_CONFIG_FILE": str(clouds)})
        self._expire()
        conductor.start()
        self.wait_for_log(conductor, "belongs to another cloud: region is")
        self._nothing_is_lost(conductor)
        shutil.copy(self.scene.cloud.clouds_file, clouds)
        conductor.kill()
        conductor.start()
        self._only_the_chain_goes(conductor)

    def test_credentials_of_another_project_delete_nothing(self) -> None:
        """In which the user is no administrator."""
        clouds = self._clouds_file("project_name: service", self.tenant.name)
        conductor = self._conductor({"OS_CLIENT_CONFIG_FILE": str(clouds)})
        self._expire()
        conductor.start()
        self.wait_for_log(conductor, "no administrator rights in Cinder")
        self._nothing_is_lost(conductor)

    def test_one_disaster_after_the_other_befalls_cinder(self) -> None:
        """The next one begins before the last one ends."""
        proxy, through = self._proxy()
        conductor = self._conductor(through)
        self._start(conductor)
        page = self._html_instead_of_cinder(proxy)
        self._expire()
        self.wait_for_log(conductor, r"Retention: Cinder: 404 Not Found")
        self._nothing_is_lost(conductor, 2 * WHILE)
        self.assertGreater(page.used, 5)
        services = self.scene.services()
        with contextlib.ExitStack() as without_role:
            with self.scene.without_backup_services():
                # What is answered is an old list, as in a race.
                old = self._answer(proxy, "/os-services$", services)
                proxy.heal(page)
                self.wait_for_log(
                    conductor, "no backup service takes the delete"
                )
                self._nothing_is_lost(conductor)
                self.assertEqual(
                    {404}, {each.status for each in proxy.calls("DELETE")}
                )
                proxy.heal(old)
                self.wait_for_log(
                    conductor, "No cinder-backup service is up: all its work"
                )
                without_role.enter_context(
                    self.scene.without_administrator_role()
                )
                self._refuse_a_token(proxy)
                self.wait_for_log(
                    conductor, "Retention: .* no administrator rights in Cinde"
                )
            self._nothing_is_lost(conductor)
        self._refuse_a_token(proxy)
        self._only_the_chain_goes(conductor)

    def test_no_servers_in_novas_list_are_no_reason_to_delete(self) -> None:
        """All have expired, and are but the last ones of their volumes."""
        proxy, through = self._proxy()
        rule = self._answer(
            proxy, "/servers/detail$", json.dumps({"servers": []}).encode()
        )
        conductor = self._conductor(
            through, retention_time="1s", retention_keep_last=1
        )
        conductor.start()
        self.wait_for_log(conductor, "nothing expires, for the harvest is inc")
        self._nothing_is_lost(conductor)
        self.assertGreater(rule.used, 2)
        proxy.heal(rule)
        self.wait_for_log(conductor, "Harvest complete")
        self.tenant.connection.compute.delete_server_metadata(
            self.chain.server, [self.key]
        )
        self._only_the_chain_goes(conductor)

    def test_a_clock_a_year_ahead_deletes_nothing(self) -> None:
        """SQLite's clock is this host's: it is Cinder's that disagrees."""
        clock = self._clock()
        conductor = self._conductor(
            _shifted_by(clock), backup_min_interval=3_153_600_000
        )
        self._start(conductor)
        clock.write_text(str(YEAR))
        self.wait_for_log(conductor, "Retention does nothing: the clock of")
        self._nothing_is_lost(conductor)
        self._expire()
        clock.write_text("0")
        self._only_the_chain_goes(conductor)

    def test_a_clock_a_year_ahead_times_nothing_out(self) -> None:
        self.key = f"clock-{self.key}"
        tenant = self.sandbox.project(self.key)
        volume = tenant.volume("v")
        tenant.server("s", volume, metadata={self.key: "true"})
        self.fault("--volume", volume, "--delay", "60")
        clock = self._clock()
        conductor = self.deployment(_shifted_by(clock))
        conductor.start()
        self.wait_for_task(conductor, "running", volume)
        clock.write_text(str(YEAR))
        self.wait_for_log(conductor, "No backup is timed out: the clock of")
        self.heal()
        self.wait_for_task(conductor, "succeeded", volume)
        self.assertNotIn("timed out: still creating", conductor.log())

    def test_whoever_shortens_all_has_to_wait_for_the_grace(self) -> None:
        """An operator with a typing error, and then a member."""
        conductor = self._conductor(retention_shortening_grace="7d")
        self._start(conductor)
        conductor.configure(
            {
                "conductor": {
                    **self.scene.options,
                    "retention_shortening_grace": "7d",
                    "retention_time": "2s",
                }
            }
        )
        conductor.signal(signal.SIGHUP)
        self._shortening_is_told(conductor, times=1)
        for chain in self.scene.fresh:
            self._expire(chain)
        self._shortening_is_told(conductor, times=2)

    def test_too_large_a_round_waits_for_a_yes(self) -> None:
        conductor = self._conductor(
            retention_small_round=2, retention_max_fraction=0.1
        )
        self._expire()
        conductor.start()
        would, total = len(self.chain.backups), len(self.before)
        self.wait_for_log(
            conductor,
            f"Retention does nothing: {would} of {total} managed backups",
        )
        self._nothing_is_lost(conductor)
        shown = conductor.show("retention", "confirm")
        self.assertEqual((would, total), (shown["would"], shown["total"]))
        self._only_the_chain_goes(conductor)
        self.assertIn(
            f"{would} of {total} managed backups go", conductor.log()
        )
        again = conductor.run("cli", "retention", "confirm")
        self.assertEqual(1, again.returncode)
        self.assertIn("no round of retention waits", again.stderr)

    # -- what is seen of it ------------------------------------------------

    def _nothing_is_lost(
        self, conductor: base.Deployment, seconds: float = WHILE
    ) -> None:
        """Neither in Cinder nor in the database."""
        self.see_it_hold(
            "no backup is lost",
            lambda: self.scene.there() == self.before,
            seconds,
        )
        self.assertEqual(_whole(self.before), self._rows(conductor))

    def _only_the_chain_goes(self, conductor: base.Deployment) -> None:
        """Retention goes on, and knows what is left; the chain is used up."""
        left = self.before - self.chain.backups
        self.wait_until(
            "the chain is gone",
            lambda: not self._rows(conductor).keys() & self.chain.backups,
        )
        self.assertEqual(left, self.scene.there())
        self.assertEqual(_whole(left), self._rows(conductor))
        conductor.stop()
        self.scene.master.restore(conductor)
        self.scene.fresh.remove(self.chain)

    def _shortening_is_told(
        self, conductor: base.Deployment, times: int
    ) -> None:
        """For each volume once, whether in one round or in several."""
        self.wait_until(
            "the shortening of all backups is told",
            lambda: (
                sum(
                    int(count)
                    for count in re.findall(
                        r"Retention became shorter for (\d+) backup",
                        conductor.log(),
                    )
                )
                == times * len(self.before)
            ),
        )
        self._nothing_is_lost(conductor)

    def _rows(self, conductor: base.Deployment) -> dict[str, str]:
        """Ids and states of the backups that the database has."""
        with contextlib.closing(conductor.connect()) as connection:
            return dict(connection.execute("SELECT id, state FROM backups"))

    # -- what is done ------------------------------------------------------

    def _conductor(
        self, environment: Mapping[str, str] | None = None, **options: object
    ) -> base.Deployment:
        """One on a copy of the scene's database; backups are paused."""
        return self.deployment(
            environment,
            copy_of=self.scene.master,
            conductor={**self.scene.options, **options},
        )

    def _start(self, conductor: base.Deployment) -> None:
        """Start, and wait until a cycle has looked at the cloud."""
        conductor.start()
        self.wait_for_log(conductor, "Plan in ")

    def _expire(self, chain: Chain | None = None) -> None:
        """As a member can: all backups of a server are too old."""
        server = (chain or self.chain).server
        compute = self.tenant.connection.compute
        self.addCleanup(
            compute.delete_server_metadata, server, [RETENTION_KEY]
        )
        self.tenant.tag(server, **{RETENTION_KEY: "1s"})

    def _proxy(self) -> tuple[Proxy, dict[str, str]]:
        proxy = self.enterContext(Proxy())
        return proxy, {"http_proxy": proxy.url, "no_proxy": ""}

    def _clock(self) -> pathlib.Path:
        """The file with the seconds by which a clock is ahead."""
        clock = self.make_temp_dir() / "clock"
        clock.write_text("0")
        return clock

    def _html_instead_of_cinder(self, proxy: Proxy) -> Rule:
        return proxy.harm(
            "",
            "",
            Harm.ANSWER,
            times=ALWAYS,
            status=404,
            headers={"Content-Type": "text/html"},
            body=b"<html><body><h1>404 Not Found</h1></body></html>",
            port=self.scene.cinder_port,
        )

    def _answer(self, proxy: Proxy, path: str, body: bytes) -> Rule:
        return proxy.harm(
            "GET",
            path,
            Harm.ANSWER,
            times=ALWAYS,
            status=200,
            headers={"Content-Type": "application/json"},
            body=body,
        )

    def _refuse_a_token(self, proxy: Proxy) -> None:
        """So the user asks for another one, with the roles of now."""
        proxy.harm(
            "GET",
            "",
            Harm.ANSWER,
            status=401,
            port=self.scene.cinder_port,
        )

    def _clouds_file(self, line: str, value: str) -> pathlib.Path:
        """A copy of the credentials with another value in one line."""
        text = self.scene.cloud.clouds_file.read_text()
        self.assertIn(line, text)
        name = line.partition(":")[0]
        path = self.make_temp_dir() / "clouds.yaml"
        path.write_text(text.replace(line, f"{name}: {value}"))
        return path


def _whole(backups: set[str]) -> dict[str, str]:
    """Their rows as they ought to be."""
    return dict.fromkeys(backups, "available")


def _shifted_by(clock: pathlib.Path) -> dict[str, str]:
    """The environment of a process whose clock is ahead by what is there."""
    shim = base.ROOT / "staffeln/tests/integration/shifted_clock"
    return {
        "PYTHONPATH": f"{shim}:{base.ROOT}",
        "CLOCK_SHIFT_FILE": str(clock),
    }
