"""Ownership: the resources that a run created, and the evidence for it.

A tag proves nothing: anyone who may call ``CreateTags`` can set it on any resource.  Proof is the
answer to a create call; or, if the answer was lost, a resource that did not exist before the call
and matches it.  A run that lost its journal has neither, so a person names the resources by id.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from vpnmigrate.model.carry_over import successor_asn
from vpnmigrate.model.changes import (
    AttachVpnGateway,
    AwsChange,
    CreateTestSubnet,
    CreateTestVpc,
    CreateVpnConnection,
    CreateVpnGateway,
    Creation,
    DeleteTestSubnet,
    DeleteTestVpc,
    DeleteVpnConnection,
    DeleteVpnGateway,
    DetachVpnGateway,
)
from vpnmigrate.model.ec2 import (
    DEFAULT_ASN,
    ConnectionRecord,
    GatewayRecord,
    MigrationId,
    ResourceState,
    Role,
    SubnetRecord,
    Tag,
    TunnelOptions,
    VpcRecord,
)
from vpnmigrate.model.plan import (
    GATEWAY_ROLE,
    TEST_SUBNET_ROLE,
    TEST_VPC_ROLE,
    Plan,
    connection_role,
)
from vpnmigrate.model.snapshot import ForeignResource, Ownership, Reading, Resource, life_of
from vpnmigrate.model.tunnel_options import ANY_NETWORK, option_text, unfit_options
from vpnmigrate.steps.s03_create_connections import successor
from vpnmigrate.steps.s06_test_vpc import test_subnet_cidr

SURVEYED = "it existed when the plan was made"
DISOWNED = "a person said that this run did not create it"
UNPROVEN = "there is no proof that this run created it"


class Doubt(Struct, frozen=True):
    """A create call without an answer, with the resources that existed before it was sent."""

    creation: Creation
    present: frozenset[str] = frozenset()


class Evidence(Struct, frozen=True):
    """Evidence that resources belong to a run."""

    made: Mapping[Role, frozenset[str]] = {}
    """Ids from answers of create calls, and adopted ids."""
    doubts: tuple[Doubt, ...] = ()
    """Create calls that may have made a resource whose id is unknown."""
    refused: frozenset[str] = frozenset()
    """Ids of resources that, according to a person, the run did not create."""


def roles_made(made: Mapping[Role, str], plan: Plan) -> Evidence:
    """Return evidence for the id that *made* has for each role, or else for the role's name."""
    return Evidence({role: frozenset({made.get(role, role)}) for role in roles_of(plan)})


def roles_of(plan: Plan) -> tuple[Role, ...]:
    """Return every role that a resource of *plan*'s migration can have."""
    return (
        GATEWAY_ROLE,
        *(connection_role(old) for old in plan.old_connections),
        TEST_VPC_ROLE,
        TEST_SUBNET_ROLE,
    )


def ownership_of(reading: Reading, plan: Plan, evidence: Evidence) -> Ownership:
    """Return which resources of *reading* the run created, and which only have its tags.

    A resource of the plan's survey is never the run's own.
    """
    proven = {id_: role for role, ids in evidence.made.items() for id_ in ids}
    living = _living_first(reading, plan, proven)
    ours: dict[Role, str] = {}
    duplicates: list[tuple[Role, str]] = []
    foreign: list[ForeignResource] = []
    for resource in living:
        match _judged(resource, plan, evidence, proven):
            case ForeignResource() as other:
                foreign.append(other)
            case str(role) if role not in ours:
                ours[Role(role)] = resource.id
            case str(role) if life_of(resource.state) is not ResourceState.DELETING:
                duplicates.append((Role(role), resource.id))
            case _:
                pass  # Not related to the run, or being deleted.
    found = {role: id_ for role, id_ in ours.items() if id_ not in proven}
    known = plan.surveyed | proven.keys()
    ambiguous_roles = frozenset(role for role, _ in duplicates if role in found)
    return Ownership(
        ours=ours,
        found={role: id_ for role, id_ in found.items() if role not in ambiguous_roles},
        duplicates=tuple(duplicates),
        untagged=tuple(
            resource.id
            for resource in living
            if resource.id in proven
            and role_by_tag(resource, plan.migration) != proven[resource.id]
        ),
        ambiguous_roles=ambiguous_roles,
        foreign=tuple(foreign),
        possible=_possible(living, plan, evidence, ours),
        unrecorded=tuple(resource.id for resource in living if resource.id not in known),
    )


def _judged(
    resource: Resource, plan: Plan, evidence: Evidence, proven: Mapping[str, Role]
) -> Role | ForeignResource | None:
    """Return the role of *resource*; None if it does not have the run's tags."""
    tagged = role_by_tag(resource, plan.migration)
    if resource.id in plan.surveyed:
        why = SURVEYED
    elif resource.id in proven:
        return proven[resource.id]
    elif resource.id in evidence.refused:
        why = DISOWNED
    else:
        why = _against(resource, tagged, evidence.doubts)
    if not tagged:
        return None
    return ForeignResource(tagged, resource.id, why) if why else tagged


def _possible(
    living: Iterable[Resource], plan: Plan, evidence: Evidence, ours: Mapping[Role, str]
) -> Mapping[Role, str]:
    """Return resources that create calls in doubt may have made, for roles without a resource."""
    if not evidence.doubts:
        return {}
    answered = plan.surveyed | evidence.refused | frozenset(ours.values())
    return {
        doubt.creation.role: resource.id
        for doubt in evidence.doubts
        if doubt.creation.role not in ours
        for resource in living
        if resource.id not in answered | doubt.present
        if not unfit(resource, doubt.creation)
    }


class Adoptable(Struct, frozen=True):
    """The role in which a resource can be adopted; None, and the reason, if it cannot."""

    role: Role | None = None
    why: str = ""


def candidates(reading: Reading, plan: Plan, evidence: Evidence) -> Mapping[str, Role]:
    """Return the resources that a run without its journal may have created, gateway first.

    They match the plan and are newer than its survey; and they have the run's tags, are attached to
    its VPC, or are on a gateway that is a candidate.
    """
    found: dict[str, Role] = {}
    for resource in _unproven(reading, plan, evidence):
        fitting = fitting_roles(resource, reading, plan)
        tagged = role_by_tag(resource, plan.migration)
        match resource:
            case GatewayRecord(attachments=attachments):
                near = any(a.vpc == plan.vpc and a.state != "detached" for a in attachments)
            case ConnectionRecord(vpn_gateway=gateway):
                near = gateway in found
            case _:
                near = False
        if tagged in fitting:
            found[resource.id] = tagged
        elif near and len(fitting) == 1:
            found[resource.id] = next(iter(fitting))
    return found


def role_to_adopt(id_: str, reading: Reading, plan: Plan, evidence: Evidence) -> Adoptable:
    """Return the role of *id_*, which a person says the run created."""
    if id_ in plan.surveyed:
        return Adoptable(why=SURVEYED)
    resource = next((r for r in _unproven(reading, plan, evidence) if r.id == id_), None)
    if resource is None:
        return Adoptable(why="AWS does not show it")
    fitting = fitting_roles(resource, reading, plan)
    tagged = role_by_tag(resource, plan.migration)
    if tagged in fitting:
        return Adoptable(tagged)
    if len(fitting) == 1:
        return Adoptable(next(iter(fitting)))
    if fitting:
        return Adoptable(why=f"it may be any of {', '.join(sorted(fitting))}")
    return Adoptable(why="the plan creates nothing like it")


def fitting_roles(resource: Resource, reading: Reading, plan: Plan) -> frozenset[Role]:
    """Return the roles for which the plan creates a resource that matches *resource*.

    A connection must be on a gateway that may be the new one, a subnet in a VPC that may be the
    test VPC.
    """
    return frozenset(
        wanted.role for wanted in _planned(reading, plan) if not unfit(resource, wanted)
    )


def unfit(resource: Resource, wanted: Creation) -> str:
    """Return how *resource* differs from what the call *wanted* creates, or an empty string."""
    match wanted, resource:
        case CreateVpnGateway(asn=asn), GatewayRecord():
            number = DEFAULT_ASN if asn is None else asn
            # None means that the endpoint does not return an ASN.
            return _different("Amazon-side ASN", resource.asn or number, number)
        case CreateVpnConnection(), ConnectionRecord():
            inside = sorted(t.inside_cidr for t in resource.tunnels if t.inside_cidr)
            return (
                _different("gateway", resource.vpn_gateway, wanted.gateway)
                or _different(
                    "customer gateway", resource.customer_gateway, wanted.customer_gateway
                )
                or _different("routing", _routing(resource), _routing(wanted))
                or (
                    _different("inside CIDRs", inside, sorted(wanted.inside_cidrs))
                    if inside and wanted.inside_cidrs
                    else ""
                )
                or _different_networks(resource, wanted)
                or _different_options(resource, wanted.tunnels)
            )
        case CreateTestVpc(cidr=cidr), VpcRecord():
            return _different("network", list(resource.cidrs), [cidr])
        case CreateTestSubnet(vpc=vpc, cidr=cidr), SubnetRecord():
            return _different("VPC", resource.vpc, vpc) or _different(
                "network", resource.cidr, cidr
            )
        case _:
            return "it is another kind of resource"


def forbidden(change: AwsChange, plan: Plan, evidence: Evidence, *, finalizes: bool) -> str:
    """Return why a run must not send *change*, or an empty string; the last check before a call.

    Only resources that the run created may be deleted, and by finalize the plan's old side.  Only
    the old gateway and the run's own may be attached or detached.
    """
    made = {id_ for ids in evidence.made.values() for id_ in ids} - plan.surveyed
    match change:
        case DeleteVpnConnection(id=id_) | DeleteVpnGateway(id=id_):
            old = {plan.old_gateway, *plan.old_connections}
            permitted = made | old if finalizes and change.subject == id_ else made
        case DeleteTestVpc(id=id_) | DeleteTestSubnet(id=id_):
            permitted = made
        case AttachVpnGateway(gateway=id_) | DetachVpnGateway(gateway=id_):
            permitted = made | {plan.old_gateway}
        case _:
            return ""
    return "" if id_ in permitted else f"there is no proof that this run created {id_}"


def role_by_tag(resource: Resource, migration: MigrationId) -> Role:
    """Return the role in *resource*'s tags for *migration*, or an empty one; it is not proof."""
    ours = resource.tags.get(Tag.MIGRATION) == migration
    return Role(resource.tags.get(Tag.ROLE, "") if ours else "")


def _against(resource: Resource, role: Role, doubts: Iterable[Doubt]) -> str:
    """Return why no create call in doubt can have made *resource* for *role*, or ''."""
    why = UNPROVEN
    for doubt in doubts:
        if doubt.creation.role != role:
            continue
        if resource.id in doubt.present:
            why = "it existed before this run created anything for that role"
        elif not (difference := unfit(resource, doubt.creation)):
            return ""
        else:
            why = difference
    return why


def _planned(reading: Reading, plan: Plan) -> Iterator[Creation]:
    """Yield the plan's creations, for every gateway and VPC that may be the run's."""
    gateway = CreateVpnGateway(GATEWAY_ROLE, asn=successor_asn(plan.decisions, plan.before.gateway))
    yield gateway
    for record in reading.gateways:
        if record.id not in plan.surveyed and not unfit(record, gateway):
            for old in plan.before.living:
                yield successor(plan, old, record.id)
    wish = plan.decisions.test_vpc
    if wish is None:
        return
    vpc = CreateTestVpc(TEST_VPC_ROLE, cidr=wish.cidr)
    yield vpc
    for network in reading.vpcs:
        if network.id not in plan.surveyed and not unfit(network, vpc):
            yield CreateTestSubnet(
                TEST_SUBNET_ROLE, vpc=network.id, cidr=test_subnet_cidr(wish.cidr)
            )


def _unproven(reading: Reading, plan: Plan, evidence: Evidence) -> list[Resource]:
    """Return the existing resources in neither the survey nor the journal."""
    known = {id_ for ids in evidence.made.values() for id_ in ids}
    return [
        resource
        for resource in reading.resources
        if resource.id not in plan.surveyed
        and resource.id not in known
        and life_of(resource.state) is not ResourceState.ABSENT
    ]


def _living_first(reading: Reading, plan: Plan, proven: Mapping[str, Role]) -> list[Resource]:
    """Return existing resources: those not being deleted first, then those with proof.

    Resources of the survey are left out, unless they have the run's tags now.
    """
    surveyed, migration = plan.surveyed, plan.migration
    lives = [(resource, life_of(resource.state)) for resource in reading.resources]
    living = [
        (life is ResourceState.DELETING, resource.id not in proven, resource.id, number)
        for number, (resource, life) in enumerate(lives)
        if life is not ResourceState.ABSENT
        if resource.id not in surveyed or role_by_tag(resource, migration)
    ]
    return [lives[number][0] for *_, number in sorted(living)]


def _different(what: str, seen: object, wanted: object) -> str:
    return "" if seen == wanted else f"its {what} is {seen}, not {wanted}"


def _different_networks(connection: ConnectionRecord, wanted: CreateVpnConnection) -> str:
    """Return the first traffic selector that differs; EC2 may not describe them."""
    for what, seen, asked in (
        ("local network", connection.local_network, wanted.local_network),
        ("remote network", connection.remote_network, wanted.remote_network),
    ):
        if seen and seen != (asked or ANY_NETWORK):
            return _different(what, seen, asked or ANY_NETWORK)
    return ""


def _different_options(connection: ConnectionRecord, wanted: Sequence[TunnelOptions]) -> str:
    """Return the first tunnel option that differs from *wanted*, or an empty string."""
    option = unfit_options(wanted, connection.described_options)
    if option is None:
        return ""
    asked = " or ".join(
        sorted({option_text(option, getattr(o, option.field)) or "AWS's default" for o in wanted})
    )
    return f"its tunnel option {option.field} is not {asked}"


def _routing(connection: ConnectionRecord | CreateVpnConnection) -> str:
    return "static" if connection.static_only else "BGP"
