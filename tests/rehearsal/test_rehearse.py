"""A rehearsal: the production runner, on a sandbox of the plan's own survey."""

from __future__ import annotations

import json
import resource
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.report.examples import BEGAN
from tests.support.boto_client import session_for
from tests.support.builders import a_proof
from vpnmigrate.aws.account import Reader
from vpnmigrate.aws.session import Clients
from vpnmigrate.cli.commands.sandbox import load
from vpnmigrate.journal.record_base import DriverCalled
from vpnmigrate.journal.records import Finished, OperatorConfirmed
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.decisions import Decisions, DeviceDriver, DriverKind, TestVpc, Waits
from vpnmigrate.model.device_drivers import DriverVerb
from vpnmigrate.model.ec2 import MigrationId, RouteTableId
from vpnmigrate.model.errors.commands import cli
from vpnmigrate.model.plan import Direction
from vpnmigrate.planning.planner import plan_from
from vpnmigrate.rehearsal.rehearse import (
    BOUNDARIES,
    Rehearsal,
    RehearsalRun,
    RehearsedChange,
    rehearsal_world,
    rehearse,
    result_of,
    without_restrictions,
)
from vpnmigrate.report import rehearsal as view
from vpnmigrate.report.names import NO_NAMES, Names, names_with
from vpnmigrate.sandbox.scenarios.load import load_world
from vpnmigrate.steps.route_lookup import EffectiveRoute, RouteComparison, RouteOrigin

TO = "10.9.0.0/16"


def a_plan_of(scenario, decisions=None):
    """Return a plan for the world of a packaged scenario."""
    loaded = load(scenario)
    clock = VirtualClock()
    session = session_for(load_world(loaded, clock))
    survey = Reader(Clients(lambda: session), clock).survey(loaded.gateways[0].id)
    return plan_from(
        survey,
        decisions or Decisions(),
        "standard",
        migration=MigrationId("m-1"),
        made=BEGAN,
        tool="0.1.0",
    )


def silence(_):
    pass


def test_a_rehearsed_migration_writes_no_file():
    """Device files of the sandbox are of no use, and each would be flushed to the disk."""
    world = rehearsal_world(without_restrictions(a_plan_of("single-bgp")))
    limit, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, most))
    try:
        world.runner.apply()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))

    assert any(entry.record == Finished(Direction.FORWARD) for entry in world.journal.entries)


PROGRAM = DeviceDriver(DriverKind.COMMAND, ("/usr/local/bin/tunnels",))


class TestDrivers:
    @pytest.mark.parametrize("by_hand", [(), (1,)], ids=["all devices", "but one"])
    def test_a_plan_with_drivers_is_rehearsed_with_drivers(self, by_hand):
        """Simulated drivers do the work of their devices, engineers that of the others."""
        plan = a_plan_of("three-connections", Decisions(drivers={"default": PROGRAM}))
        people = [plan.device_of[plan.old_connections[number]] for number in by_hand]
        manual = dict.fromkeys(people, DeviceDriver())
        plan = a_plan_of("three-connections", Decisions(drivers={"default": PROGRAM, **manual}))
        world = rehearsal_world(without_restrictions(plan))
        world.runner.apply()
        world.runner.rollback()
        records = [entry.record for entry in world.journal.entries]
        driven = {r.connection for r in records if isinstance(r, DriverCalled)}
        verbs = {r.verb for r in records if isinstance(r, DriverCalled)}
        asked = any(isinstance(record, OperatorConfirmed) for record in records)

        assert driven == set(plan.old_connections) - set(plan.by_hand)
        assert verbs == {*DriverVerb} - {DriverVerb.REMOVE}
        assert asked is bool(by_hand)
        assert world.differences_from_before() == ()

    def test_the_report_names_the_devices_of_drivers(self):
        """One line says where drivers did the work, and that no device was reached."""
        plan = a_plan_of("single-static", Decisions(drivers={"default": PROGRAM}))
        rehearsal = rehearse(plan, silence)
        text = view.text(rehearsal, NO_NAMES, file="p", kept="k", on="")
        document = view.as_json(rehearsal, file="p", kept="k", on=None)
        (old,) = plan.old_connections

        assert rehearsal.good
        line = f"Simulated drivers did the work at the devices of {old}; no device was reached."
        assert line in " ".join(text.split())
        assert document["drivers"] == [old]

    def test_the_report_of_a_plan_without_drivers_has_no_such_line(self, found):
        """Engineers do the work, as each plan without drivers requires."""
        assert "drivers" not in view.text(found, NO_NAMES, file="p", kept="k", on="")


class TestRehearse:
    def test_every_kind_of_table_and_connection_is_restored(self):
        """After a rollback from any step, the end equals the start in every fact."""
        found = rehearse(a_plan_of("three-connections", Decisions(asn=65099)), silence)

        assert [rehearsal_run.failure for rehearsal_run in found.back] == [""] * len(BOUNDARIES)
        assert [rehearsal_run.differences for rehearsal_run in found.back] == [()] * len(BOUNDARIES)
        assert all(row.same for row in found.forward.routes)
        assert {row.before.kind for row in found.forward.routes} >= {
            RouteOrigin.STATIC,
            RouteOrigin.PROPAGATED,
        }
        assert all(p.routes and not p.rerouted for p in (found.forward, *found.back))
        assert found.good

    def test_a_rollback_before_the_cutover_has_no_outage(self):
        """Only a rollback from step 7 on has an outage."""
        found = rehearse(a_plan_of("single-static"), silence)

        down = [rehearsal_run.boundary for rehearsal_run in found.back if rehearsal_run.outage]
        assert down in ([7, 8, 9, 10], [8, 9, 10])
        assert [p.restored > timedelta(0) for p in found.back] == [
            p.outage > timedelta(0) for p in found.back
        ]

    def test_a_test_vpc_is_created_and_deleted(self):
        """Step 6 is rehearsed as well if it is in the plan."""
        plan = a_plan_of("single-bgp", Decisions(test_vpc=TestVpc("10.200.0.0/24")))

        found = rehearse(plan, silence)

        made = [made.what for made in found.forward.changes if made.step == 6]
        assert "create test VPC 10.200.0.0/24" in made
        assert any(what.startswith("delete test VPC") for what in made)
        assert found.good

    def test_what_does_not_settle_is_reported(self):
        """A plan that gives the device engineer no time fails here, and not in the window."""
        hasty = Decisions(waits=Waits(tunnels=timedelta(seconds=31)))

        found = rehearse(a_plan_of("single-bgp", hasty), silence)

        assert not found.good
        assert "was not done within" in found.forward.failure

    def test_no_account_can_be_reached(self, socket_disabled, monkeypatch):
        """Profile, endpoint and network have no effect: a rehearsal uses only the sandbox."""
        plan = a_plan_of("single-bgp")
        monkeypatch.setenv("AWS_PROFILE", "there-is-no-such-profile")
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")

        assert rehearse(plan, silence).good


GOOD = RehearsalRun(
    0,
    (RehearsedChange(2, "create it"), RehearsedChange(7, "stop it")),
    timedelta(seconds=101),
    timedelta(1),
)


@pytest.fixture
def found():
    back = tuple(
        RehearsalRun(
            boundary,
            (RehearsedChange(7, "back"),),
            timedelta(seconds=5 * (boundary > 6)),
            timedelta(seconds=9),
            timedelta(seconds=3 * (boundary > 6)),
        )
        for boundary in BOUNDARIES
    )
    return Rehearsal(GOOD, back, a_proof())


def test_the_result_has_the_duration_of_each_direction():
    """The result names the plan, and is good only if every run was."""
    plan = a_plan_of("single-bgp")
    rehearsal = rehearse(plan, silence)

    kept = result_of(rehearsal, plan, BEGAN, "0.1.0")

    assert (kept.fingerprint, kept.at, kept.passed) == (plan.fingerprint, BEGAN, True)
    assert timedelta(seconds=30) < kept.cutover < rehearsal.forward.took
    assert (
        kept.rollback
        == max(rehearsal_run.restored for rehearsal_run in rehearsal.back)
        > timedelta(0)
    )
    assert kept.outage == rehearsal.forward.outage < kept.cutover
    assert kept.back_outage[10] > kept.outage
    bad = replace(rehearsal, forward=replace(rehearsal.forward, failure="no"))
    assert not result_of(bad, plan, BEGAN, "0.1.0").passed


APPLY = cli("apply", "plan.json")


class TestView:
    def test_shows_changes_outage_and_each_rollback(self, found):
        """The report has the changes, the outage times, and the rollback."""
        text = view.text(found, NO_NAMES, file="plan.json", kept="k.json", on=APPLY)

        assert "    - create it" in text
        assert "outage 1 min 41 s" in text
        assert text.count("not interrupted") == 6
        assert text.count("as before") == 10
        assert "vpnmigrate apply plan.json" in text
        assert all(len(line) <= 80 for line in text.splitlines())

    def test_names_are_beside_the_ids(self, found):
        """Old and new resources have their names, also in the table of routes and a problem."""
        via = EffectiveRoute(target="vgw-1", destination=TO)
        run = replace(
            GOOD,
            changes=(RehearsedChange(8, "detach vgw-1, attach vgw-2"),),
            differences=("left behind: vgw-2",),
            routes=(RouteComparison(RouteTableId("rtb-1"), (TO,), via, via, same=True),),
        )
        names = Names({"vgw-1": "hub", "vgw-2": "hub", "rtb-1": "main"}, frozenset({"vgw-2"}))

        text = view.text(Rehearsal(run, (), a_proof()), names, file="p", kept="k", on="")

        assert '- detach vgw-1 "hub", attach vgw-2 "hub" (new)' in text
        assert '\n  rtb-1 "main"\n' in text
        assert '- left behind: vgw-2 "hub" (new)' in text

    def test_a_rehearsal_knows_what_it_has_created(self):
        """The new side of the rehearsal has the names of the old one."""
        plan = a_plan_of("single-static")
        rehearsal = rehearse(plan, silence)

        made = names_with(plan, rehearsal.forward.made).made

        assert {id_[:4] for id_ in made} == {"vgw-", "vpn-"}

    def test_a_problem_is_named_and_nothing_is_recommended(self, found):
        """A failed rehearsal does not say how to apply the plan."""
        left = RehearsalRun(
            3, (), timedelta(0), timedelta(0), differences=("left behind: vgw-9 (gateway)",)
        )
        bad = Rehearsal(found.forward, (*found.back[:2], left, *found.back[3:]), a_proof())

        text = view.text(bad, NO_NAMES, file="plan.json", kept="k.json", on="")

        assert "PROBLEM, rollback from step 3:\n  - left behind: vgw-9 (gateway)" in text
        assert "DIFFERS" in text
        assert "vpnmigrate apply" not in text

    def test_a_plan_that_hardship_found_unsafe_is_not_recommended(self, found):
        """A good rehearsal is not enough if a run with faults was unsafe."""
        hard = ["1 DID NOT END SAFELY"]
        text = view.text(found, NO_NAMES, file="plan.json", kept="k.json", on="", more=hard)
        document = view.as_json(found, file="plan.json", kept="k.json", on=None)

        assert "vpnmigrate apply" not in text
        assert document["next"] == ""

    def test_a_destination_that_leads_elsewhere_is_a_problem(self):
        """A rehearsal that ends with another next hop is not good, and names table and prefix."""
        old, other = (
            EffectiveRoute(target="vgw-1", destination=TO),
            EffectiveRoute(target="igw-1", destination=TO),
        )
        row = RouteComparison(RouteTableId("rtb-1"), (TO,), old, other, same=False)
        strayed = Rehearsal(replace(GOOD, routes=(row,)), (), a_proof())

        text = view.text(strayed, NO_NAMES, file="plan.json", kept="k.json", on="")

        assert not strayed.good
        assert "10.9.0.0/16: vgw-1 -> igw-1   DIFFERS" in text
        assert "rtb-1: 10.9.0.0/16 went to vgw-1 before and goes to igw-1 now" in text

    def test_json_has_the_same(self, found):
        """A program can read the result of a rehearsal."""
        document = json.loads(
            json.dumps(view.as_json(found, file="plan.json", kept="k.json", on=APPLY))
        )

        assert document["good"] is True
        assert document["forward"]["outage"] == 101.0
        assert [timing["boundary"] for timing in document["back"]] == list(BOUNDARIES)
