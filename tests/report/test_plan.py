"""The plan as text and JSON."""

from __future__ import annotations

import json

import pytest
from msgspec import NODEFAULT, Struct
from msgspec.structs import FieldInfo, fields, replace

from tests.planning.test_playbook import WHOLE
from tests.report.examples import BGP, NEW, OLD, TABLE, VPC, a_plan
from tests.support.builders import a_proof
from vpnmigrate.model.changes import AskOperator, AttachVpnGateway, DeleteVpnGateway
from vpnmigrate.model.decisions import Decisions, Exceptions, HookMoment, TestVpc
from vpnmigrate.model.ec2 import TunnelOptions
from vpnmigrate.model.errors.commands import Invocation
from vpnmigrate.model.plan import LAST_OF_CUTOVER, Finding, Phase, PlannedStep
from vpnmigrate.model.snapshot import Confirmation
from vpnmigrate.planning.outage_estimate import outage_estimate
from vpnmigrate.planning.playbook import playbook_from
from vpnmigrate.report import plan as view
from vpnmigrate.report.plan_summary import PlanView


def shown(plan, file="plan.json", **more):
    """Return the view of *plan* without a rehearsal."""
    return PlanView(plan, a_proof(), outage_estimate(plan, None), file, Invocation(), **more)


def named(record, name):
    """Return *record* with a Name tag."""
    return replace(record, tags={"Name": name})


def a_named_plan():
    """Return the plan of an account in which each resource has a Name tag."""
    plan = a_plan()
    before = plan.before
    first, *others = before.connections
    main, *tables = before.route_tables
    site = AskOperator(
        10,
        Confirmation.OLD_TUNNELS_DISABLED,
        f"traffic flows through gateway: now disable those of {BGP}",
    )
    steps = (
        replace(plan.forward[2], inverse=(AttachVpnGateway(OLD, VPC),)),
        PlannedStep(10, "Switch", Phase.CUTOVER, (site,)),
    )
    return replace(
        plan,
        before=replace(
            before,
            vpcs=(named(before.vpcs[0], "production"),),
            connections=(named(first, "munich"), *others),
            route_tables=(named(main, "main"), *tables),
        ),
        findings=(Finding("VPM-W102", "names", f"{BGP} uses {TABLE}", f"repair {BGP}"),),
        forward=steps,
    )


@pytest.fixture
def text():
    return view.text_with_steps(shown(a_plan()))


class TestText:
    def test_fits_a_terminal_of_eighty_columns(self, text):
        """No line of a plan is longer than eighty columns."""
        assert [line for line in text.splitlines() if len(line) > 80] == []

    def test_is_plain_ascii_without_colour(self, text):
        """A plan looks the same on paper and in a ticket."""
        assert text.isascii()
        assert "\x1b" not in text

    @pytest.mark.parametrize(
        "fact",
        [
            "123456789012",
            "eu-west-1",
            "vpc-0a1b2c3d",
            'vgw-11aa22bb "to the office" (Amazon-side ASN 7224)',
            "connection vpn-1a2b3c4d: VPN-Classic, BGP, 1 of 2 tunnels up",
            "to cgw-1 at 198.51.100.7, ASN 65000",
            "static prefixes 192.168.0.0/16",
            "a1b2c3d4",
            "VPM-W004 warns: IaC owner",
        ],
    )
    def test_shows_what_moves(self, text, fact):
        """Account, Region, gateway, VPC, connections, findings and fingerprint are shown."""
        assert fact in text

    def test_shows_each_table_that_refers_to_the_gateway(self, text):
        """A table with propagation and static routes shows both, an edge table is named as one."""
        assert (
            "rtb-1111aaaa (main): propagation on, 1 propagated route; static\n"
            "      172.16.0.0/12" in text
        )
        assert "rtb-2222bbbb: edge table of the gateway" in text
        assert "1 other table, not touched" in text

    def test_leaves_out_deleted_connections(self, text):
        """Deleted connections that EC2 still lists are not part of the change."""
        assert "vpn-gone" not in text

    def test_marks_the_outage_around_what_interrupts(self, text):
        """The outage begins before the first change of the cutover and ends in step 10."""
        lines = [line.strip() for line in text.splitlines()]
        begins = lines.index("----  THE OUTAGE BEGINS with the next change")
        ends = next(i for i, line in enumerate(lines) if line.startswith("----  THE OUTAGE ENDS"))

        first = '- disable propagation from vgw-11aa22bb "to the office" in rtb-1111aaaa'
        assert lines[begins + 2] == first
        assert lines[ends - 1] == "- enable the tunnels of vpn-99"
        assert "when 2 of 2 tunnels are UP" in lines[ends]

    @pytest.mark.parametrize(
        "line",
        [
            'Plan to replace vgw-11aa22bb "to the office" on vpc-0a1b2c3d "production"',
            '- vpn-1a2b3c4d "munich", both tunnels',
            'names vpn-1a2b3c4d "munich" uses rtb-1111aaaa "main" What to do:',
            'What to do: repair vpn-1a2b3c4d "munich"',
            '- disable propagation from vgw-11aa22bb "to the office" in rtb-1111aaaa "main"',
            'undo attach vgw-11aa22bb "to the office" to vpc-0a1b2c3d "production"',
            '- delete connection vpn-1a2b3c4d "munich"',
            'traffic flows through <new gateway>: now disable those of vpn-1a2b3c4d "munich"',
        ],
    )
    def test_names_are_beside_the_ids_in_every_section(self, line):
        """People know sites, VPC and tables by their names, not by their ids."""
        assert line in " ".join(view.text_with_steps(shown(a_named_plan())).split())

    def test_a_way_back_that_asks_nobody_ends_its_outage_before_the_clean_up(self):
        """If old tunnels stay enabled, traffic returns in step 10, not with the last deletion."""
        plan = a_plan()
        interrupted = next(step for step in plan.back if step.phase is Phase.CUTOVER)
        last = PlannedStep(LAST_OF_CUTOVER, "Switch the tunnels", Phase.CUTOVER)
        clean_up = PlannedStep(2, "Delete", Phase.CLEAN_UP, (DeleteVpnGateway(NEW, NEW),))

        text = view.text_with_steps(shown(replace(plan, back=(interrupted, last, clean_up))))

        rollback_command = text[text.index("\nROLLBACK\n") : text.index("STEP 11")]
        assert rollback_command.count("THE OUTAGE ENDS") == 1
        assert rollback_command.index("THE OUTAGE ENDS") < rollback_command.index("(clean-up)")

    def test_shows_every_change(self, text):
        """The board sees every change that will be made."""
        folded = " ".join(text.split()).replace(' "to the office"', "")
        plan = a_plan()
        changes = [c for s in (*plan.forward, *plan.back, *plan.finalize) for c in s.changes]

        assert [str(change) for change in changes if str(change) not in folded] == []

    def test_ends_with_commands_that_can_be_pasted(self, text):
        """The next commands name the plan's file."""
        assert "vpnmigrate rehearse plan.json" in text
        assert text.splitlines()[-1].strip().endswith("vpnmigrate apply plan.json")

    def test_a_control_character_in_a_name_cannot_reach_the_terminal(self):
        """A Name tag comes from outside and must not move the cursor."""
        plan = a_plan()
        gateway = replace(plan.before.gateway, tags={"Name": "a\x1b[2Jb"})

        text = view.text_with_steps(
            shown(replace(plan, before=replace(plan.before, gateway=gateway)))
        )

        assert '"a?[2Jb"' in text
        assert "\x1b" not in text


class TestDecisions:
    def test_every_decision_is_told(self):
        """Every decision is shown, including defaults."""
        decisions = Decisions(
            asn=65001,
            test_vpc=TestVpc("10.9.0.0/24", ("ping", "10.9.0.4")),
            tunnel_options=TunnelOptions(ike_versions=("ikev2",), dpd_timeout_seconds=40),
            exceptions=Exceptions(prefixes=("10.1.0.0/16",)),
            recreate_aws_vpn=True,
            hooks={HookMoment.BEFORE_CUTOVER: ("/usr/bin/ask", "may we")},
        )

        text = " ".join(view.text(shown(a_plan(decisions))).split())

        assert "Amazon-side ASN 65001" in text
        assert "10.9.0.0/24, tested by: ping 10.9.0.4" in text
        assert "IKE versions ikev2; dead peer timeout, s 40" in text
        assert "not required prefix 10.1.0.0/16" in text
        assert "recreated too" in text
        assert "hook before-cutover, for at most 30 s: /usr/bin/ask 'may we'" in text


class TestJson:
    def test_is_the_plan_itself_and_where_it_lies(self):
        """The JSON has the same fields as the file."""
        document = json.loads(json.dumps(view.as_json(shown(a_plan()))))

        assert document["schema"] == "vpnmigrate/plan/1"
        assert document["file"] == "plan.json"
        assert document["plan"]["fingerprint"] == "a1b2c3d4"
        assert document["plan"]["forward"][2]["changes"][0]["change"] == "disable-propagation"


def test_every_option_and_each_of_its_fields_is_shown():
    """Decisions that differ in one option, or in one field of it, differ as text."""
    whole = playbook_from(WHOLE, "mine.yaml").decisions
    others = {}
    for option in fields(Decisions):
        value = getattr(whole, option.name)
        if isinstance(value, Struct):
            for field in fields(value):
                if not (field.default is NODEFAULT and field.default_factory is NODEFAULT):
                    inner = replace(value, **{field.name: default_of(field)})
                    others[f"{option.name}.{field.name}"] = replace(whole, **{option.name: inner})
        else:
            others[option.name] = replace(whole, **{option.name: default_of(option)})

    alike = [name for name, decisions in others.items() if decisions == whole]
    assert alike == [], "WHOLE has the default of it"
    text = view.decisions_text(whole)
    hidden = [name for name, decisions in others.items() if view.decisions_text(decisions) == text]
    assert hidden == [], "add its line to _rows or _exceptional of report/plan.py"


def default_of(field: FieldInfo) -> object:
    """Return the default of a field of a struct."""
    return field.default if field.default is not NODEFAULT else field.default_factory()
