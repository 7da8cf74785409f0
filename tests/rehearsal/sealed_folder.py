"""An engineer who has nothing of a run but a sealed folder, at the device of the lab.

``python -m tests.rehearsal.sealed_folder`` runs a migration, its rollback and the removal of the
new tunnels, in namespaces of its own.  Each time that the run needs the device, the engineer pastes
a block of the folder's ``commands.txt`` and tries every check that the page has for it.
"""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from vpnmigrate.cli.commands.sandbox import load
from vpnmigrate.cli.main import run_command
from vpnmigrate.cli.sandbox_dependencies import SandboxDependencies
from vpnmigrate.devices.platforms import platform_named
from vpnmigrate.local.documents import read_plan
from vpnmigrate.model.clock import SteadyClock
from vpnmigrate.rehearsal.lab.migration import LabMigration
from vpnmigrate.rehearsal.lab.namespaces import LAB, RUN, enter
from vpnmigrate.rehearsal.lab.packets import PacketProbe
from vpnmigrate.sandbox.devices import TUNNELS, Devices
from vpnmigrate.sandbox.scenarios.load import load_world
from vpnmigrate.sandbox.server.clock import ScaledClock

LIMIT = 60
"""Seconds until a check shows what the page says, which says 10 to 60 s."""
DESK = RUN / "engineer"
"""Folder of the engineer, who reads nothing elsewhere."""
LOAD, ENABLE, BACK_OUT, REMOVE_NEW = 1, 2, 3, 5
"""Numbers of blocks on the page."""
PLAYBOOK = """name: lab
summary: A cutover whose device is configured from a sealed folder.
decisions:
  waits: {tunnels: 20m, steady: 10s}
"""


class Engineer(Devices):
    """The engineer of the lab's device, who gets the sealed folder when step 5 needs it."""

    def __init__(self, lab: LabMigration) -> None:
        super().__init__(lab.world.alone)
        self._lab = lab
        self._new: str | None = None
        self._page = ""
        self.pasted: list[dict[str, Any]] = []

    def configure(self, connection: str) -> None:
        if self._new is None:
            self._new = connection
            self._open(received(self._lab))
            self.paste(LOAD)

    def enable(self, connection: str, numbers: Iterable[int] = TUNNELS) -> None:
        self.paste(ENABLE if connection == self._new else BACK_OUT)

    def disable(self, connection: str) -> None:
        """Do nothing: the block that enables one side disables the other."""

    def _open(self, archive: bytes) -> None:
        age = ["age", "-d", "-i", str(DESK / "engineer.key")]
        packed = subprocess.run(age, input=archive, capture_output=True, check=True).stdout
        subprocess.run(["tar", "x", "-C", DESK], input=packed, check=True)
        (page,) = DESK.glob("*/commands.txt")
        self._page = page.read_text(encoding="utf-8")

    def paste(self, number: int) -> None:
        """Paste a block, and try each of its checks until it shows what the page says."""
        block = self._page.split(f"\n## {number}. ")[1].split("\n## ")[0]
        failed = self._lab.device.shell(block.split("\n```\n")[1])
        checks = re.findall(r"^\| `(.*)` \| (.*) \|$", block, re.MULTILINE)
        differing = [each for each in checks if not self._is_shown(*each)]
        self.pasted.append(
            {"block": number, "failed": failed, "checks": len(checks), "differing": differing}
        )

    def _is_shown(self, command: str, expected: str) -> bool:
        end = time.monotonic() + LIMIT
        while not fits(self._lab.device.shown(command), expected):
            if time.monotonic() > end:
                return False
        return True


def fits(output: str, expected: str) -> bool:
    """Return whether *output* is what a page expects."""
    if expected == "nothing":
        return not output.strip()
    if expected.startswith("no line with "):
        return not any(each in output for each in expected[len("no line with ") :].split(" or "))
    if " or " in expected:
        return any(each in output for each in expected.split(" or "))
    return all(each in output for each in expected.split(", and a child "))


def received(lab: LabMigration) -> bytes:
    """Return the archive that the operator seals to the engineer's key."""
    Path("running.txt").write_text(lab.device.running_configuration(), encoding="utf-8")
    plan = read_plan(Path("plan.json"))
    (connection,) = plan.before.living
    words = [sys.executable, "-m", "vpnmigrate", "device", "config", plan.migration]
    words += ["--site", connection.id, "--platform", "strongswan-bird"]
    words += ["--existing", "running.txt", "--seal-to", str(DESK / "engineer.pub")]
    words += ["-o", "site.tar.age", "--run-dir", "runs"]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return Path("site.tar.age").read_bytes()


def main() -> None:
    """Run everything and print what happened, as JSON."""
    enter()
    DESK.mkdir()
    key = DESK / "engineer.key"
    subprocess.run(["age-keygen", "-o", key], check=True, stderr=subprocess.DEVNULL)
    public = subprocess.run(["age-keygen", "-y", key], check=True, capture_output=True).stdout
    (DESK / "engineer.pub").write_bytes(public)
    scenario = load("single-bgp")
    world = load_world(scenario, ScaledClock(60))
    lab = LabMigration(world, platform_named("strongswan-bird"), SteadyClock())
    engineer = Engineer(lab)
    world.devices = engineer
    lab.start()

    def run(line: str) -> int:
        printed = io.StringIO()
        with redirect_stdout(printed), redirect_stderr(printed):
            return run_command([*line.split(), "--run-dir", "runs"], SandboxDependencies(world))

    with chdir(LAB):
        Path("lab.yaml").write_text(PLAYBOOK, encoding="utf-8")
        old = scenario.connections[0].id
        codes = [run(f"plan --playbook lab.yaml --vpn-connection {old} -o plan.json")]
        migration = read_plan(Path("plan.json")).migration
        probe = PacketProbe(lab.network)
        codes += [run("apply plan.json --yes"), run(f"rollback {migration} --yes")]
        engineer.paste(REMOVE_NEW)
        lab.settle()
        flowing = probe.finish().flowing
    lab.stop()
    left = lab.device.running_configuration()
    report = {"codes": codes, "pasted": engineer.pasted, "flowing": flowing, "left": left}
    sys.stdout.write(json.dumps(report))


if __name__ == "__main__":
    main()
