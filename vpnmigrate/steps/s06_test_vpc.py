"""Step 6: test the new gateway in a test VPC."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from ipaddress import ip_network

from vpnmigrate.model.changes import (
    AskOperator,
    AttachVpnGateway,
    CreateTestSubnet,
    CreateTestVpc,
    DeleteTestSubnet,
    DeleteTestVpc,
    DetachVpnGateway,
    DisablePropagation,
    EnablePropagation,
    RunTest,
)
from vpnmigrate.model.decisions import TestVpc
from vpnmigrate.model.ec2 import Attachment, ResourceState, RouteTableId, VpcId, VpnGatewayId
from vpnmigrate.model.facts import (
    AttachmentOf,
    Goal,
    Propagation,
    Switch,
    attachment_text,
)
from vpnmigrate.model.plan import TEST_SUBNET_ROLE, TEST_VPC_ROLE, Phase
from vpnmigrate.model.snapshot import Confirmation, Snapshot
from vpnmigrate.steps.base import (
    DesiredFact,
    Met,
    MissingChanges,
    NotYet,
    Step,
    StepInput,
    Verdict,
)
from vpnmigrate.steps.removal import (
    deleted_goal,
    deletion,
    first_left,
    optional_removals,
    verify_removals,
)
from vpnmigrate.steps.s02_create_gateway import new_gateway
from vpnmigrate.steps.tags import suspected, unowned_resources


class TryInTestVpc(Step):
    """Test the new gateway in a test VPC, then remove the test VPC.

    In AWS: creates a VPC and a subnet, attaches the new gateway and enables propagation; after the
    test it undoes all of that.  A gateway can be attached to one VPC at a time: until it is
    detached from the test VPC, step 8 cannot attach it to the production VPC (domain.md 1.2).
    """

    number = 6
    title = "Try in a test VPC"
    phase = Phase.PREPARE
    precondition = "the new gateway is available and attached to no VPC"
    postcondition = "the test has passed, if the plan has one; no test VPC is left"
    limit = timedelta(days=7)  # a person's test; EC2 limits the duration of the calls themselves

    def missing_changes(self, view: StepInput) -> MissingChanges:
        wish = view.plan.decisions.test_vpc
        if wish is None:
            return
        if Confirmation.TEST_PASSED in view.journal_facts.confirmations:
            yield from _take_down(view.now)
        else:
            yield from _put_up(wish, view.now)

    def verify(self, view: StepInput) -> Verdict:
        if view.plan.decisions.test_vpc is None:
            return Met()
        if blocked := suspected(view.plan, view.now, TEST_VPC_ROLE, TEST_SUBNET_ROLE):
            return blocked
        if Confirmation.TEST_PASSED not in view.journal_facts.confirmations:
            return NotYet("the test VPC is being built, or its test has not passed")
        return _is_down(view.now)


class RemoveTestVpc(Step):
    """Remove the test VPC, however far step 6 got.

    In AWS: disables propagation, detaches the new gateway, deletes the test subnet and VPC.
    """

    number = 6
    title = "Remove the test VPC"
    phase = Phase.CLEAN_UP
    precondition = "the test is over"
    postcondition = "no test VPC is left, and the new gateway is attached to none"
    limit = timedelta(minutes=45)  # detach 30, then deletes that wait for leftovers (domain.md 3.1)

    def missing_changes(self, view: StepInput) -> MissingChanges:
        if view.plan.decisions.test_vpc is not None:
            yield from _take_down(view.now, view.journal_facts.left_out)

    def optional_parts(self, view: StepInput) -> Iterable[DesiredFact]:
        """Yield what is left of the test VPC, each before what cannot be removed without it."""
        if view.plan.decisions.test_vpc is not None:
            yield from optional_removals(_removals(view), view)

    def verify(self, view: StepInput) -> Verdict:
        if view.plan.decisions.test_vpc is None:
            return Met()
        verdict, shown = verify_removals(_removals(view), view), _is_down(view.now)
        return shown if isinstance(verdict, NotYet) and isinstance(shown, NotYet) else verdict


def _removals(view: StepInput) -> Iterator[DesiredFact]:
    now, ours = view.now, view.now.ours
    if now.owned.ambiguous_roles & {TEST_VPC_ROLE, TEST_SUBNET_ROLE}:
        return
    earlier = [deleted_goal(TEST_SUBNET_ROLE)]
    vpc = VpcId(ours[TEST_VPC_ROLE]) if TEST_VPC_ROLE in ours else None
    if vpc is not None:
        yield from _detachment(new_gateway(now), vpc, now)
        earlier.append(Goal(AttachmentOf(new_gateway(now), vpc), Attachment.DETACHED))
    subnet = ours.get(TEST_SUBNET_ROLE)
    delete_subnet = None if subnet is None else DeleteTestSubnet(TEST_SUBNET_ROLE, subnet)
    delete_vpc = None if vpc is None else DeleteTestVpc(TEST_VPC_ROLE, vpc)
    yield deletion("the test subnet", TEST_SUBNET_ROLE, delete_subnet)
    yield deletion("the test VPC", TEST_VPC_ROLE, delete_vpc, first_left(earlier, view))


def _detachment(gateway: VpnGatewayId, vpc: VpcId, now: Snapshot) -> Iterator[DesiredFact]:
    """Yield what has to be undone between *gateway* and the test VPC."""
    attachment, table = AttachmentOf(gateway, vpc), _main_table(vpc, now)
    if now.value(attachment) is Attachment.DETACHED:
        return
    if table is not None:
        yield DesiredFact(
            f"propagation from {gateway} in {table}",
            Propagation(table, gateway),
            Switch.OFF,
            DisablePropagation(table, gateway),
            restores=True,
        )
    yield DesiredFact(
        f"the attachment of {gateway} to {vpc}",
        attachment,
        Attachment.DETACHED,
        DetachVpnGateway(gateway, vpc),
        restores=True,
    )


def _put_up(wish: TestVpc, now: Snapshot) -> MissingChanges:
    if now.owned.possible.keys() & {TEST_VPC_ROLE, TEST_SUBNET_ROLE}:
        return
    if now.state(TEST_VPC_ROLE) is ResourceState.ABSENT:
        yield CreateTestVpc(TEST_VPC_ROLE, cidr=wish.cidr)
    if now.state(TEST_VPC_ROLE) is not ResourceState.AVAILABLE:
        return
    vpc = VpcId(now.ours[TEST_VPC_ROLE])
    if now.state(TEST_SUBNET_ROLE) is ResourceState.ABSENT:
        yield CreateTestSubnet(TEST_SUBNET_ROLE, vpc=vpc, cidr=test_subnet_cidr(wish.cidr))
    gateway = new_gateway(now)
    attachment = now.attachment(gateway, vpc)
    if attachment is Attachment.DETACHED:
        yield AttachVpnGateway(gateway, vpc)
    if (
        attachment is not Attachment.ATTACHED
        or now.state(TEST_SUBNET_ROLE) is not ResourceState.AVAILABLE
    ):
        return
    table = _main_table(vpc, now)
    if table is None:
        return
    if now.propagates(table, gateway) is Switch.OFF:
        yield EnablePropagation(table, gateway)
    elif now.propagates(table, gateway) is Switch.ON:
        yield _test(wish, vpc)


def _test(wish: TestVpc, vpc: VpcId) -> RunTest | AskOperator:
    if wish.command:
        return RunTest((*wish.command, vpc))
    return AskOperator(
        6,
        Confirmation.TEST_PASSED,
        f"enable the new tunnels, test through {vpc} ({wish.cidr}), disable the tunnels again, "
        "and remove what you put into the test VPC",
    )


def _take_down(now: Snapshot, left_out: frozenset[Goal] = frozenset()) -> MissingChanges:
    if TEST_VPC_ROLE not in now.ours or now.owned.ambiguous_roles & {
        TEST_VPC_ROLE,
        TEST_SUBNET_ROLE,
    }:
        return
    vpc = VpcId(now.ours[TEST_VPC_ROLE])
    gateway = new_gateway(now)
    attachment = now.attachment(gateway, vpc)
    if attachment is Attachment.ATTACHED:
        yield from _detach(gateway, vpc, now, left_out)
    if now.state(TEST_SUBNET_ROLE) is ResourceState.AVAILABLE:
        yield DeleteTestSubnet(TEST_SUBNET_ROLE, now.ours[TEST_SUBNET_ROLE])
    empty = (
        now.state(TEST_SUBNET_ROLE) is ResourceState.ABSENT and attachment is Attachment.DETACHED
    )
    if empty and now.state(TEST_VPC_ROLE) is ResourceState.AVAILABLE:
        yield DeleteTestVpc(TEST_VPC_ROLE, vpc)


def _detach(
    gateway: VpnGatewayId, vpc: VpcId, now: Snapshot, left_out: frozenset[Goal]
) -> MissingChanges:
    """Disable propagation, then detach: otherwise its loss would look like an external change.

    Propagation that AWS does not disable ends with the test VPC.
    """
    table = _main_table(vpc, now)
    propagates = Switch.OFF if table is None else now.propagates(table, gateway)
    if table is not None and propagates is Switch.ON:
        yield DisablePropagation(table, gateway)
    left = table is not None and Goal(Propagation(table, gateway), Switch.OFF) in left_out
    if propagates is Switch.OFF or left:
        yield DetachVpnGateway(gateway, vpc)


def _is_down(now: Snapshot) -> Verdict:
    for role in (TEST_SUBNET_ROLE, TEST_VPC_ROLE):
        if now.state(role) is not ResourceState.ABSENT:
            left = now.ours.get(role, role)
            return NotYet(f"{left} still exists; delete other resources in the test VPC first")
    if TEST_VPC_ROLE in now.ours:
        return NotYet(f"{now.ours[TEST_VPC_ROLE]} still exists")
    for vpc, attachment in now.attachments(new_gateway(now)).items():
        return NotYet(f"the new virtual private gateway is {attachment_text(attachment, vpc)}")
    return unowned_resources(now)


def _main_table(vpc: VpcId, now: Snapshot) -> RouteTableId | None:
    return next((t.id for t in now.tables.values() if t.vpc == vpc and t.main), None)


def test_subnet_cidr(cidr: str) -> str:
    """Return the lower half of *cidr*, or all of a /28: EC2 allows no smaller subnet."""
    network = ip_network(cidr)
    half = next(network.subnets()) if network.prefixlen < 28 else network  # noqa: PLR2004
    return str(half)
