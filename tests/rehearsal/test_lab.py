"""The lab: migrations with real IKE, ESP, BGP and packets, of rendered device commands."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.lab import EVERY, programs, root_and_tun
from vpnmigrate.cli.commands.lab import LabCase
from vpnmigrate.cli.main import run_command
from vpnmigrate.rehearsal.lab.namespaces import FRR, ISOLATED, PROGRAMS, isolated_command

ROOT = Path(__file__).parents[2]

FRR_DEVICE = ("--platform", "strongswan-frr")
LIMIT = 150
"""Seconds for a case, which takes 10 to 20 on an idle machine."""


@pytest.fixture
def lab(tmp_path: Path):
    """Run a case and return its report; nothing that it prints or logs has a key."""
    root_and_tun()
    programs(*PROGRAMS, *FRR)

    def run(*words: str) -> dict[str, Any]:
        command = [sys.executable, "-m", "vpnmigrate", "lab", *words, "--json", "--logs", "logs"]
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, timeout=LIMIT, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        logs = {f.name: f.read_text(errors="replace") for f in (tmp_path / "logs").iterdir()}
        kinds = ("charon.log", "device.log", "log.jsonl", "journal.jsonl")
        assert [kind for kind in kinds if not any(n.endswith(kind) for n in logs)] == []
        printed = (done.stdout, done.stderr, *logs.values())
        assert not [text for text in printed if "CANARY" in text]
        report: dict[str, Any] = json.loads(done.stdout)
        assert_consistent(report)
        return report

    return run


def assert_consistent(report):
    """Check that packets were lost only while the control plane counts an outage, and flow then."""
    for phase in report["phases"]:
        outage = sum(phase["control_plane_ms"])
        assert phase["sent"] > 100
        assert phase["outage_ms"] <= outage + 1500, phase
        assert phase["recovered"] or phase["exit"] is None, phase


def whats(report):
    return [event["what"] for event in report["events"]]


def failures(report):
    return [what for what in whats(report) if "failed" in what]


@pytest.mark.parametrize("routing", ["bgp", "static"])
def test_a_migration_and_its_rollback(lab, routing, tmp_path):
    """The rendered blocks bring real tunnels up, forward and back, and packets flow again.

    A tunnel of IKEv1 with SHA-1 becomes one of IKEv2, and EC2 shows what was negotiated.
    """
    report = lab("demo", "--routing", routing)

    assert [phase["exit"] for phase in report["phases"]] == [0, 0]
    assert all(phase["outage_ms"] > 0 for phase in report["phases"])
    assert failures(report) == []
    calls = [what for what in whats(report) if what.endswith("done")]
    assert calls == [
        "device: load done",
        "device: enable done",
        "device: enable, old tunnels disabled, done",
        "device: back-out done",
    ]
    before = (tmp_path / "logs" / "charon-ep1-charon.log").read_text()
    assert "IKE:AES_CBC_128/HMAC_SHA1_96/PRF_HMAC_SHA1/MODP_1024" in before
    tunnels = report["phases"][0]["negotiated"]
    assert [tunnel["verdict"] for tunnel in tunnels] == ["met"] * 2
    for tunnel in tunnels:
        assert NEW_ALGORITHMS.items() <= tunnel["algorithms"].items()


NEW_ALGORITHMS = {
    "IKE versions": "ikev2",
    "IKE encryption": "AES256",
    "IKE integrity": "SHA2-256",
    "IKE DH groups": "14",
    "IPsec encryption": "AES256",
    "IPsec integrity": "SHA2-256",
}


def test_a_kill_between_detach_and_attach(lab):
    """A killed process leaves traffic down; another one resumes, over FRR's BGP."""
    killed, resumed = lab("killed", "--platform", "strongswan-frr")["phases"]

    assert (killed["exit"], killed["recovered"]) == (None, False)
    assert (resumed["exit"], resumed["recovered"]) == (0, True)


def test_a_wrong_key(lab):
    """The new tunnels do not come up, so the run rolls back, and packets flow as before."""
    report = lab("wrong-key")

    assert [phase["exit"] for phase in report["phases"]] == [1]
    assert report["phases"][0]["recovered"]
    assert len(failures(report)) == 1
    assert "IS NOT UP" in failures(report)[0]


def test_a_device_that_announces_nothing(lab):
    """BGP is up without prefixes, so no packet returns: the run rolls back, and packets flow."""
    report = lab("no-prefixes")

    assert [phase["exit"] for phase in report["phases"]] == [1]
    assert report["phases"][0]["recovered"]
    assert failures(report) == []
    enabled = whats(report).index("device: enable done")
    later = " ".join(whats(report)[enabled:])
    assert re.search(r"the tunnel \S+ is UP .* device: back-out done", later)


@pytest.mark.skipif(not EVERY, reason="minutes: VPNMIGRATE_LAB=every-case plays them")
class TestOnDemand:
    """Cases that take a quarter of a minute each."""

    @pytest.mark.parametrize("case", ["proposal-mismatch", "dark-endpoints", "remote-as-unchanged"])
    def test_faults_of_both_tunnels(self, lab, case):
        """The new tunnels carry nothing, so the run rolls back, and packets flow as before."""
        (phase,) = lab(case)["phases"]

        assert (phase["exit"], phase["recovered"]) == (1, True)

    @pytest.mark.parametrize("routing", ["bgp", "static"])
    def test_one_dead_tunnel(self, lab, routing):
        """The migration succeeds on the other tunnel."""
        (phase,) = lab("one-tunnel-dead", "--routing", routing)["phases"]

        assert (phase["exit"], phase["recovered"]) == (0, True)

    @pytest.mark.parametrize("words", [(), ("--routing", "static"), FRR_DEVICE])
    def test_rekeying_loses_no_packet(self, lab, words):
        """Keys of IKE and IPsec are new before the cutover, in it and after it: no other gap.

        A packet or two are lost by a busy machine, too.
        """
        report = lab("rekey", *words)

        (phase,) = report["phases"]
        assert (phase["exit"], len([gap for gap in phase["gaps"] if gap["ms"] > 100])) == (0, 1)
        fresh = [what for what in whats(report) if "has new keys of" in what]
        assert len({re.sub(r".*tunnel (\S+) has", r"\1", what) for what in fresh}) == 8

    def test_tunnels_that_are_up_before_the_cutover(self, lab):
        """No packet is lost by them, and both outages are without a device's work."""
        staged, cutover, rollback = lab("prewarm")["phases"]

        assert [phase["exit"] for phase in (staged, cutover, rollback)] == [0, 0, 0]
        for phase in (cutover, rollback):
            (longest,) = [gap for gap in phase["gaps"] if gap["ms"] > 100]
            assert longest["ms"] < 1250 + 1500

    def test_tunnels_that_aws_does_not_allow_before_the_cutover(self, lab):
        """They are disabled again, no packet is lost, and the cutover goes as documented."""
        report = lab("prewarm-refused")

        staged, cutover = report["phases"]
        assert (staged["exit"], cutover["exit"], cutover["recovered"]) == (0, 0, True)
        assert "--force" not in cutover["command"]
        assert "device: prewarm: the tunnels are not UP, disabled" in whats(report)
        assert "device: enable done" in whats(report)


def test_a_sealed_folder_is_all_that_an_engineer_needs(tmp_path):
    """Its blocks load, enable, back out and remove the tunnels, and each check is as it says."""
    root_and_tun()
    programs(*PROGRAMS, "age", "age-keygen")
    command = isolated_command([], "tests.rehearsal.sealed_folder")
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=LIMIT, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)

    assert report["codes"] == [0, 0, 0]
    assert [each["block"] for each in report["pasted"]] == [1, 2, 3, 5]
    for each in report["pasted"]:
        assert (each["failed"], each["differing"]) == ([], [])
        assert each["checks"] >= 8
    assert report["flowing"]
    assert report["left"].count("remote_addrs") == 2


def test_nothing_is_left_after_a_kill(tmp_path):
    """SIGKILL at any moment ends every daemon, and with it the networks and files of the lab."""
    root_and_tun()
    programs(*PROGRAMS)
    command = [sys.executable, "-m", "vpnmigrate", "lab", "demo", "--json"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL)
    until(lambda: len(daemons(process.pid)) > 4, LIMIT)
    known = daemons(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()

    until(lambda: not [pid for pid in known if Path(f"/proc/{pid}").exists()], 20)
    assert not Path("/run/vpnmigrate-lab").exists()
    listed = subprocess.run(["ip", "netns"], capture_output=True, text=True, check=True).stdout
    assert "cgw" not in listed


def until(is_so, limit):
    end = time.monotonic() + limit
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)


def daemons(parent):
    """Return the charon processes that descend from *parent*."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name = stat.read_text().split("(")[1].split(")")[0]
        except OSError:
            continue
        if name == "charon-systemd" and parent in ancestors(int(stat.parent.name)):
            found.append(int(stat.parent.name))
    return found


def ancestors(pid):
    while pid > 1:
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return
        yield pid


class TestRefusals:
    """What the lab says where it cannot run."""

    def test_another_platform(self, tmp_path):
        """Only a device of which this machine has the programs can run."""
        words = [sys.executable, "-m", "vpnmigrate", "lab", "--platform", "generic"]
        done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path)

        assert done.returncode == 2
        assert "strongswan-bird" in done.stderr

    @pytest.mark.parametrize("more", [("--routing", "static"), ("--platform", "strongswan-frr")])
    def test_a_mistake_in_bird_needs_bird(self, tmp_path, more):
        """The engineer's mistakes are made in BIRD's configuration."""
        words = [sys.executable, "-m", "vpnmigrate", "lab", "remote-as-unchanged", *more]
        done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path)

        assert done.returncode == 2
        assert "about BIRD's BGP" in done.stderr

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("--picture", "/dev/null/lab.svg"), "/dev/null: cannot be created"),
            (("--logs", "/dev/null/logs"), "/dev/null/logs: cannot be created"),
            (("--picture", "/run/lab.svg"), "/run is hidden in the lab"),
        ],
    )
    def test_a_place_that_cannot_be_written(self, words, said, capsys):
        """It is refused before the case is played, which takes a while."""
        assert run_command(["lab", *words]) == 2
        assert said in capsys.readouterr().err

    def test_the_machine_itself_is_never_changed(self, tmp_path):
        """The variable of the isolated process, set by hand, hides no folder of the machine."""
        root_and_tun()
        programs(*PROGRAMS)
        done = subprocess.run(
            [sys.executable, "-m", "vpnmigrate", "lab"],
            capture_output=True, text=True, check=False, cwd=tmp_path,
            env={**os.environ, ISOLATED: "1"},
        )  # fmt: skip

        assert done.returncode == 2
        assert "unset it" in done.stderr
        assert not Path("/run/vpnmigrate-lab").exists()

    def test_without_root(self):
        """A user without root is told what is missing, before anything is started."""
        if os.geteuid() != 0:
            pytest.skip("drops root's rights")
        setpriv = programs("setpriv")[0]
        words = [setpriv, "--reuid", "65534", "--clear-groups", sys.executable, "-m", "vpnmigrate"]
        done = subprocess.run(
            [*words, "lab"], capture_output=True, text=True, check=False, cwd="/",
            env={**os.environ, "HOME": "/nonexistent"},
        )  # fmt: skip

        assert done.returncode == 2, done.stderr
        assert "the lab needs root" in done.stderr


def test_every_case_has_a_meaning():
    """Each case is a fault of the network, or is played by the command."""
    from vpnmigrate.rehearsal.lab.migration import LabFault

    faults = {fault.value for fault in LabFault} - {"none"}
    assert {case.value for case in LabCase} - faults == {"demo", "killed", "prewarm"}
