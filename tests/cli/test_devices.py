"""Devices one by one: ``done --connection``, ``device files`` and ``device sheet``."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

TWO_SITES = """
title: Two sites
vpcs:
  - {id: vpc-0a400000000000001, cidrs: [10.40.0.0/16]}
gateways:
  - {id: vgw-0a400000000000001, asn: 7224, vpc: vpc-0a400000000000001}
customer_gateways:
  - {id: cgw-0a400000000000001, ip: 203.0.113.41, name: munich}
  - {id: cgw-0a400000000000002, ip: 203.0.113.42, name: graz}
connections:
  - id: vpn-0a400000000000001
    customer_gateway: cgw-0a400000000000001
    gateway: vgw-0a400000000000001
    static: true
    prefixes: [192.168.41.0/24]
  - id: vpn-0a400000000000002
    customer_gateway: cgw-0a400000000000002
    gateway: vgw-0a400000000000001
    static: true
    prefixes: [192.168.42.0/24]
route_tables:
  - id: rtb-0a400000000000001
    vpc: vpc-0a400000000000001
    main: true
    propagates: [vgw-0a400000000000001]
"""
MUNICH, GRAZ = "vpn-0a400000000000001", "vpn-0a400000000000002"


@pytest.fixture
def waiting(terminal) -> str:
    """Return the id of a run that waits for its devices in step 5."""
    Path("two.yaml").write_text(TWO_SITES, encoding="utf-8")
    terminal.scenario("two.yaml")
    terminal.without_engineer()
    run: str = terminal.planned()
    assert terminal.run("apply", "plan.json", "--until", "cutover").code == 3
    return run


def states(terminal, run):
    return {device["site"]: device["done"] for device in terminal.status(run)["devices"]}


def test_a_task_is_done_when_it_is_done_at_every_device(terminal, waiting):
    """By site and by id, in any order; the run resumes after the last, and names the open ones."""
    assert states(terminal, waiting) == {"munich": False, "graz": False}

    first = terminal.run("done", waiting, "5", "--connection", "Munich")

    assert first.code == 0
    assert "Still open" in first.out
    assert "graz" in first.out
    assert states(terminal, waiting) == {"munich": True, "graz": False}
    again = terminal.run("apply", waiting, "--until", "cutover")
    assert again.code == 3
    shown = terminal.run("status", waiting).out
    assert "munich done, graz OPEN" in shown
    assert terminal.status(waiting)["step"] == 5

    terminal.run("done", waiting, "5", "--connection", GRAZ)
    terminal.run("apply", waiting, "--until", "cutover")

    assert terminal.status(waiting)["step"] == 6
    report = terminal.run("report", waiting, "--json").document
    said = [person["said"] for person in report["people"]]
    assert said == [
        f"confirmed for munich ({MUNICH}): the devices are configured",
        f"confirmed for graz ({GRAZ}): the devices are configured",
    ]


def test_one_confirmation_may_name_several_devices_or_none(terminal, waiting):
    """The option is repeatable, and without it the task is done at every device."""
    ran = terminal.run(
        "done", waiting, "5", "--connection", "munich", "--connection", "graz", "--json"
    )

    assert ran.document["connections"] == [MUNICH, GRAZ]
    assert ran.document["open"] == []


@pytest.mark.parametrize("site", ["vienna", "", "vpn-0a400000000000009"])
def test_another_site_is_refused_with_those_there_are(terminal, waiting, site):
    """A site that is not the run's own confirms nothing."""
    ran = terminal.run("done", waiting, "5", "--connection", site)

    assert ran.code == 2
    assert f"{MUNICH} (munich), {GRAZ} (graz)" in " ".join(ran.err.split())
    assert states(terminal, waiting) == {"munich": False, "graz": False}


def test_the_folders_of_the_devices_are_listed(terminal, waiting):
    """Each device has its own folder, with the sheet in it."""
    listed = terminal.run("device", "files", waiting, "--json").document["devices"]

    assert [device["site"] for device in listed] == ["munich", "graz"]
    for device in listed:
        assert (Path(device["folder"]) / "sheet.md").is_file()
        assert device["successor"] in device["folder"]
    assert listed[0]["folder"] in terminal.run("device", "files", waiting).out.replace("\n", "")


def test_a_sheet_is_printed_without_its_keys(terminal, waiting):
    """The sheet of one site has all values but the keys, which stay in the private file."""
    by_name = terminal.run("device", "sheet", waiting, "graz")
    by_id = terminal.run("device", "sheet", waiting, GRAZ)

    assert by_name.code == 0
    assert by_name.out == by_id.out
    assert "AWS outside address" in by_name.out
    assert "[key withheld]" in by_name.out
    sheet = Path(terminal.run("device", "sheet", waiting, "graz", "--json").document["file"])
    keys = [line for line in sheet.read_text().splitlines() if line.startswith("| pre-shared key")]
    assert keys
    assert not [key for line in keys for key in line.split("`")[1::2] if key in by_name.out]


def test_without_files_the_step_that_writes_them_is_named(terminal, waiting):
    """Files that are not there, because step 4 was not done or they were deleted."""
    shutil.rmtree(Path(terminal.status(waiting)["folder"]) / "vault")

    for words in (("files", waiting), ("sheet", waiting, "graz")):
        refused = terminal.run("device", *words)
        assert refused.code == 2
        assert "step 4 writes them" in refused.err
