"""Plans from a survey and decisions, and newer plans of a held run."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

import msgspec
import pytest

from tests.support.builders import (
    MIGRATION,
    NOON,
    OLD,
    VPC,
    a_connection,
    a_gateway,
    a_survey,
    a_table,
    ordinary_tables,
    our_tags,
)
from tests.support.expected_end import expected_end
from vpnmigrate.journal.exit_code import exit_code
from vpnmigrate.model.changes import (
    AskOperator,
    Change,
    DeleteVpnConnection,
    DeleteVpnGateway,
    DetachVpnGateway,
    DisablePropagation,
    RunTest,
)
from vpnmigrate.model.decisions import (
    Decisions,
    KeyMode,
    OldTunnels,
    TestVpc,
    TunnelPolicy,
    Verification,
)
from vpnmigrate.model.ec2 import Role, RouteTableId, Tag, VpcId, VpcRecord, VpnConnectionId
from vpnmigrate.model.errors import Exit, NothingToMigrateError, PreflightError, RefusedError
from vpnmigrate.model.plan import GATEWAY_ROLE, Phase, Plan, PlannedStep
from vpnmigrate.model.snapshot import Confirmation
from vpnmigrate.model.survey import Quotas, Survey
from vpnmigrate.planning.drift import configuration
from vpnmigrate.planning.planner import (
    fingerprint,
    plan_from,
    replan_from,
    unexpected,
)

EVERY_KIND_OF_TABLE = (
    *ordinary_tables(),
    a_table("rtb-edge", edge_of=OLD),
    a_table("rtb-none"),
    a_table("rtb-static", static={"172.16.0.0/12": OLD, "pl-1": OLD}),
)


MADE = {GATEWAY_ROLE: "vgw-new", Role("connection/vpn-old"): "vpn-new"}
"""Ids of resources created by a successful run, by role."""


def planned(survey: Survey | None = None, decisions: Decisions | None = None) -> Plan:
    """Return the plan of *survey*."""
    return plan_from(
        survey or a_survey(route_tables=EVERY_KIND_OF_TABLE),
        decisions or Decisions(),
        "standard",
        migration=MIGRATION,
        made=NOON,
        tool="test",
    )


def all_of(steps: tuple[PlannedStep, ...]) -> list[Change]:
    """Return the changes of *steps* in their order."""
    return [change for step in steps for change in step.changes]


class TestPlan:
    """Contents of a plan."""

    def test_it_has_all_steps(self) -> None:
        """Forward has steps 1 to 10, rollback the cutover and the clean-up, finalize step 11."""
        plan = planned()

        assert [s.number for s in plan.forward] == list(range(1, 11))
        assert [s.number for s in plan.back] == [7, 8, 9, 10, 6, 3, 2, 1]
        assert 11 in {s.number for s in plan.finalize}

    def test_forward_deletes_nothing_that_was_there(self) -> None:
        """No change of steps 1 to 10 deletes a gateway or connection; only finalize does."""
        plan = planned(decisions=Decisions(test_vpc=TestVpc("10.255.0.0/24")))

        deletions = (DeleteVpnConnection, DeleteVpnGateway)
        assert not [c for c in all_of(plan.forward) if isinstance(c, deletions)]
        back = [c.id for c in all_of(plan.back) if isinstance(c, deletions)]
        finalize = [c.id for c in all_of(plan.finalize) if isinstance(c, deletions)]
        assert back == ["connection/vpn-old", "gateway"]
        assert finalize == ["vpn-old"]

    def test_the_outage_begins_with_the_first_interruption(self) -> None:
        """With propagation the outage begins when it is disabled in the first table."""
        outage = planned().outage

        assert outage is not None
        assert (outage.begins_in, outage.ends_in) == (7, 10)
        assert outage.begins_with == DisablePropagation(RouteTableId("rtb-both"), OLD)
        assert "10.1.0.0/16" in outage.ends_when

    def test_the_outage_ends_with_what_the_plan_asks_for(self) -> None:
        """If one tunnel of two is enough, the sentence does not require two."""
        one = Decisions(verification=Verification(tunnels=TunnelPolicy.AT_LEAST_ONE))
        both, single = planned().outage, planned(decisions=one).outage

        assert both is not None
        assert single is not None
        assert "vpn-old has as many tunnels UP as before" in both.ends_when
        assert "vpn-old has at least one tunnel UP" in single.ends_when

    def test_without_propagation_the_outage_begins_with_the_detach(self) -> None:
        """Without propagation step 7 interrupts nothing."""
        outage = planned(
            a_survey(route_tables=(a_table("rtb-1", static={"10.0.0.0/8": OLD}),))
        ).outage

        assert outage is not None
        assert outage.begins_in == 8
        assert outage.begins_with == DetachVpnGateway(OLD, VPC)

    def test_only_prepare_comes_before_the_outage(self) -> None:
        """Steps 1 to 6 belong to the phase that does not interrupt traffic."""
        phases = [step.phase for step in planned().forward]

        assert phases == [Phase.PREPARE] * 6 + [Phase.CUTOVER] * 4

    def test_old_tunnels_may_stay_enabled(self) -> None:
        """The migration leaves them alone then; a rollback still disables the new ones."""
        plan = planned(decisions=Decisions(old_tunnels=OldTunnels.LEAVE))

        back = [c.confirmation for c in all_of(plan.back) if isinstance(c, AskOperator)]
        assert back == [Confirmation.TUNNELS_RETURNED]
        words = [c.confirmation for c in all_of(plan.forward) if isinstance(c, AskOperator)]
        assert Confirmation.OLD_TUNNELS_DISABLED not in words

    def test_a_command_may_test_the_test_vpc(self) -> None:
        """The plan shows a test command as it will be run."""
        wish = TestVpc("10.255.0.0/24", ("./try",))

        plan = planned(decisions=Decisions(test_vpc=wish))

        assert [c for c in all_of(plan.forward) if isinstance(c, RunTest)] == [
            RunTest(("./try", "test-vpc"))
        ]

    def test_findings_of_a_plan_only_warn(self) -> None:
        """The findings in a plan are warnings."""
        assert planned().findings
        assert all(f.code.startswith("VPM-W") for f in planned().findings)

    def test_equal_input_gives_an_equal_plan(self) -> None:
        """Planning uses no clock and no random numbers."""
        assert planned() == planned()


class TestRefusals:
    """Surveys that cannot be planned."""

    def test_blockers_are_all_told(self) -> None:
        """The error has every finding, and the advice of the first blocking one."""
        survey = a_survey(gateway=a_gateway(state="deleting"))

        with pytest.raises(PreflightError) as caught:
            planned(survey, Decisions(asn=1))

        assert exit_code(caught.value) is Exit.REFUSED
        codes = [f.code for f in caught.value.findings]  # type: ignore[attr-defined]
        assert codes[:2] == ["VPM-B201", "VPM-B501"]
        assert "2 findings block" in str(caught.value)
        assert caught.value.advice_text

    def test_an_empty_gateway_has_nothing_to_migrate(self) -> None:
        """A gateway without connections has nothing to migrate, which is not a refusal."""
        with pytest.raises(NothingToMigrateError, match="has no VPN connection") as caught:
            planned(a_survey(connections=()))
        assert "vpnmigrate list" in caught.value.advice_text
        assert "recreate_aws_vpn" not in str(caught.value.advice)


class TestFingerprint:
    """Fingerprint of a plan."""

    def test_it_is_that_of_the_plan(self) -> None:
        """A plan has its own fingerprint, 64 hexadecimal digits."""
        plan = planned()

        assert plan.fingerprint == fingerprint(plan)
        assert len(plan.fingerprint) == 64

    @pytest.mark.parametrize("field", [f for f in Plan.__struct_fields__ if f != "fingerprint"])
    def test_it_covers_every_field(self, field: str) -> None:
        """A change of any field changes the fingerprint."""
        plan = planned()
        other = msgspec.to_builtins(plan)
        value = other[field]
        other[field] = [] if value != [] else ["something"]

        from vpnmigrate.model.plan import fingerprint_of

        assert fingerprint_of(other) != plan.fingerprint


class TestExpectedEnd:
    """Expected end of a plan."""

    def survey_after(self) -> Survey:
        """Return the survey of the new gateway after a successful run."""
        tables = (
            *ordinary_tables("vgw-new"),
            a_table("rtb-edge", edge_of="vgw-new"),
            a_table("rtb-none"),
            a_table("rtb-static", static={"172.16.0.0/12": "vgw-new", "pl-1": "vgw-new"}),
        )
        return a_survey(
            taken=NOON + timedelta(hours=2),
            gateway=a_gateway("vgw-new", asn=64512, tags=our_tags("gateway")),
            connections=(a_connection("vpn-new", on="vgw-new", category="VPN"),),
            route_tables=tables,
        )

    def test_it_is_the_configuration_that_will_be_found(self) -> None:
        """A survey of the new gateway after a successful run has nothing unexpected."""
        assert unexpected(planned(), MADE, self.survey_after()) == ()

    def test_what_went_wrong_is_told(self) -> None:
        """A table that still leads to the old gateway is named."""
        after = self.survey_after()
        left = msgspec.structs.replace(
            after, route_tables=(*after.route_tables[:-1], EVERY_KIND_OF_TABLE[-1])
        )

        assert unexpected(planned(), MADE, left) == (
            "rtb-static: route 172.16.0.0/12 pointed at vgw-new, now at vgw-old",
            "rtb-static: route pl-1 pointed at vgw-new, now at vgw-old",
        )

    def test_a_successor_that_is_gone_is_told_once_and_by_its_id(self) -> None:
        """A missing successor is one sentence; without an id it is named by its old connection."""
        gone = msgspec.structs.replace(self.survey_after(), connections=())
        nameless = {role: id_ for role, id_ in MADE.items() if role == "gateway"}

        assert unexpected(planned(), MADE, gone) == ("vpn-new, the successor of vpn-old, is gone",)
        assert unexpected(planned(), nameless, gone) == ("the successor of vpn-old is gone",)

    def test_without_ids_roles_stand_for_them(self) -> None:
        """Before resources are created, the expected end uses roles."""
        assert expected_end(planned(), {})["rtb-main/propagation/gateway"] == "set"

    def test_the_old_side_is_not_part_of_it(self) -> None:
        """The expected end covers the configuration of the new gateway."""
        assert not [path for path in expected_end(planned(), MADE) if "vgw-old" in path]
        assert "vgw-old/state" in configuration(a_survey())


class TestReplan:
    """New plans of a held run."""

    BUILT = a_gateway("vgw-new", on=None, tags=our_tags("gateway"))
    BUILT_VPN = a_connection(
        "vpn-new", on="vgw-new", category="VPN", tags=our_tags("connection/vpn-old")
    )
    GROWN = a_survey(
        route_tables=(*ordinary_tables(), a_table("rtb-later", propagates=OLD)),
        other_gateways=(BUILT,),
        other_connections=(BUILT_VPN,),
    )

    OURS: ClassVar = {
        "vgw-new": Role("gateway"),
        "vpn-new": Role("connection/vpn-old"),
        "vpc-test": Role("test-vpc"),
    }

    def again(self, survey: Survey, decisions: Decisions | None = None) -> Plan:
        """Return the new plan of the held run from *survey*."""
        return replan_from(
            planned(a_survey()),
            survey,
            decisions or Decisions(),
            "standard",
            built=self.OURS,
            made=NOON + timedelta(days=2),
            tool="test",
        )

    def test_it_keeps_the_migration(self) -> None:
        """The new plan has the old id, and the run keeps the resources it created."""
        plan = self.again(self.GROWN)

        assert plan.migration == MIGRATION
        assert plan.fingerprint != planned(a_survey()).fingerprint
        assert "rtb-later" in {t.id for t in plan.propagating_tables}

    def test_what_was_built_is_not_in_its_own_way(self) -> None:
        """The run's own gateway, connections and test VPC do not count against quotas."""
        survey = msgspec.structs.replace(
            self.GROWN,
            vpcs=(*self.GROWN.vpcs, VpcRecord(VpcId("vpc-test"), tags=our_tags("test-vpc"))),
            quotas=Quotas(gateways_per_region=2, connections_per_region=2, vpcs_per_region=2),
        )

        plan = self.again(survey, Decisions(test_vpc=TestVpc("10.255.0.0/24")))

        assert not plan.before.other_gateways
        assert not plan.before.other_connections

    def test_a_tag_makes_nothing_the_runs_own(self) -> None:
        """A resource with the run's tags that it did not create stays in the survey."""
        tagged = a_gateway("vgw-x", on=None, tags=our_tags("gateway"))
        network = VpcRecord(VpcId("vpc-x"), tags=our_tags("test-vpc"))
        survey = msgspec.structs.replace(
            self.GROWN,
            other_gateways=(*self.GROWN.other_gateways, tagged),
            vpcs=(*self.GROWN.vpcs, network),
        )

        plan = self.again(survey)

        assert plan.before.other_gateways == (tagged,)
        assert {"vgw-x", "vpc-x"} <= plan.surveyed
        assert "vgw-new" not in plan.surveyed

    def test_what_others_built_still_counts(self) -> None:
        """Another gateway counts against the quota as before."""
        stranger = a_gateway("vgw-x", on=None, tags={Tag.MIGRATION: "somebody-else"})
        survey = a_survey(other_gateways=(stranger,), quotas=Quotas(gateways_per_region=2))

        with pytest.raises(PreflightError, match="VPM-B401"):
            self.again(survey)

    @pytest.mark.parametrize("decisions", [Decisions(asn=64513), Decisions(keys=KeyMode.REUSE)])
    def test_what_was_built_in_cannot_be_decided_anew(self, decisions: Decisions) -> None:
        """Changed decisions are refused if EC2 cannot apply them to existing resources."""
        with pytest.raises(RefusedError, match="created with other decisions"):
            self.again(self.GROWN, decisions)

        assert self.again(a_survey(), decisions).decisions == decisions

    def test_other_decisions_may_change(self) -> None:
        """Decisions about the cutover may change until it begins."""
        plan = self.again(self.GROWN, Decisions(old_tunnels=OldTunnels.LEAVE))

        assert plan.decisions.old_tunnels is OldTunnels.LEAVE

    def test_a_successor_without_forerunner_is_refused(self) -> None:
        """If an old connection was deleted, its successor would be left over."""
        survey = msgspec.structs.replace(self.GROWN, connections=(a_connection("vpn-other"),))

        with pytest.raises(RefusedError, match="vpn-new were created for connections"):
            self.again(survey)

    @pytest.mark.parametrize(
        "survey",
        [
            a_survey(account="999999999999"),
            a_survey(region="us-east-1"),
            a_survey(gateway=a_gateway("vgw-third")),
            a_survey(gateway=a_gateway(on=None)),
        ],
    )
    def test_another_migration_is_refused(self, survey: Survey) -> None:
        """The same migration has the same account, Region, gateway and VPC."""
        with pytest.raises(RefusedError, match="is for"):
            self.again(survey)


def test_connections_are_not_told_twice() -> None:
    """Every old connection has one successor in the plan."""
    survey = a_survey(
        connections=(a_connection(), a_connection("vpn-gone", state="deleted")),
    )

    assert planned(survey).old_connections == (VpnConnectionId("vpn-old"),)
