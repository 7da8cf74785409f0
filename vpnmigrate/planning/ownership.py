"""Ownership: the resources a run made, and the evidence for it.

A tag is a hint and proves nothing: whoever may call ``CreateTags`` can put it on anything.  Proof
is an answer to a create call, or a call of which the answer was lost together with a resource that
nobody had seen before that call and that is what the call asked for.  A run that lost its journal
has neither, so a person names the resources by id.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

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
from vpnmigrate.model.snapshot import Ownership, Reading, Resource, Stranger, life_of
from vpnmigrate.steps.s03_create_connections import successor
from vpnmigrate.steps.s06_test_vpc import test_subnet_cidr

SURVEYED = "it was there when the plan was made"
DISOWNED = "a person has said that this run did not make it"
UNPROVEN = "nothing proves that this run made it"


class Doubt(Struct, frozen=True):
    """A create call without an answer, with the resources that were seen before it was sent."""

    creation: Creation
    present: frozenset[str] = frozenset()


class Evidence(Struct, frozen=True):
    """What proves that resources are a run's own."""

    made: Mapping[Role, frozenset[str]] = {}
    """Ids that create calls answered, and ids that were adopted."""
    doubts: tuple[Doubt, ...] = ()
    """Create calls that may have made a resource whose id is unknown."""
    refused: frozenset[str] = frozenset()
    """Ids of which a person has said that the run did not make them."""


def roles_made(made: Mapping[Role, str], plan: Plan) -> Evidence:
    """Return evidence that every role is filled as *made* says, or by a resource of its name."""
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
    """Return which resources of *reading* the run made, and which only carry its tags.

    A resource of the plan's survey is never the run's own, whatever else speaks for it.
    """
    proven = {id_: role for role, ids in evidence.made.items() for id_ in ids}
    living = _living_first(reading, proven)
    ours: dict[Role, str] = {}
    twins: list[tuple[Role, str]] = []
    strangers: list[Stranger] = []
    for resource in living:
        match _judged(resource, plan, evidence, proven):
            case Stranger() as stranger:
                strangers.append(stranger)
            case str(role) if role not in ours:
                ours[Role(role)] = resource.id
            case str(role) if life_of(resource.state) is not ResourceState.DELETING:
                twins.append((Role(role), resource.id))
            case _:
                pass  # has nothing to do with the run, or is on its way out
    found = {role: id_ for role, id_ in ours.items() if id_ not in proven}
    contested = frozenset(role for role, _ in twins if role in found)
    return Ownership(
        ours=ours,
        found={role: id_ for role, id_ in found.items() if role not in contested},
        twins=tuple(twins),
        stripped=tuple(
            resource.id
            for resource in living
            if resource.id in proven
            and role_by_tag(resource, plan.migration) != proven[resource.id]
        ),
        contested=contested,
        strangers=tuple(strangers),
        suspects=_suspects(living, plan, evidence, ours),
        newcomers=tuple(r.id for r in living if r.id not in plan.surveyed | proven.keys()),
    )


def _judged(
    resource: Resource, plan: Plan, evidence: Evidence, proven: Mapping[str, Role]
) -> Role | Stranger | None:
    """Return the role of *resource*, or that it is a stranger, or None if it has no tag of ours."""
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
    return Stranger(tagged, resource.id, why) if why else tagged


def _suspects(
    living: Iterable[Resource], plan: Plan, evidence: Evidence, ours: Mapping[Role, str]
) -> Mapping[Role, str]:
    """Return what the create calls in doubt can have made for roles that nothing fills."""
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
    """The role in which a resource can be adopted; None with the reason why it cannot."""

    role: Role | None = None
    why: str = ""


def candidates(reading: Reading, plan: Plan, evidence: Evidence) -> Mapping[str, Role]:
    """Return what a run without its journal may have made: ids with roles, the gateway first.

    They fit the plan and are newer than its survey, and carry the run's tags, are on its VPC, or
    are on a gateway that is a candidate.
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
    """Return the role that *id_* is for once a person says that the run made it."""
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
    """Return the roles for which the plan creates what *resource* is.

    A connection has to be on a gateway that may be the new one, a subnet in a VPC that may be the
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
            # None is an endpoint that does not tell.
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
                or _different_options(resource, wanted.options)
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
    """Return why a run may not send *change*, or an empty string: the last line before AWS.

    Only what the run made is deleted, and by finalize the old side that the plan names.  Only the
    old gateway and the run's own are put on a VPC or taken off one.
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
    return "" if id_ in permitted else f"nothing proves that this run made {id_}"


def role_by_tag(resource: Resource, migration: MigrationId) -> Role:
    """Return the role that *resource* is tagged with in *migration*; a hint and no proof."""
    ours = resource.tags.get(Tag.MIGRATION) == migration
    return Role(resource.tags.get(Tag.ROLE, "") if ours else "")


def _against(resource: Resource, role: Role, doubts: Iterable[Doubt]) -> str:
    """Return why no create call in doubt can have made *resource* for *role*, or nothing."""
    why = UNPROVEN
    for doubt in doubts:
        if doubt.creation.role != role:
            continue
        if resource.id in doubt.present:
            why = "it was there before this run created anything for that role"
        elif not (difference := unfit(resource, doubt.creation)):
            return ""
        else:
            why = difference
    return why


def _planned(reading: Reading, plan: Plan) -> Iterator[Creation]:
    """Yield what the plan creates, for every gateway and VPC that its parts may be built on."""
    gateway = CreateVpnGateway(GATEWAY_ROLE, asn=plan.decisions.asn)
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
    """Return the living resources that the survey did not see and the journal does not know."""
    known = {id_ for ids in evidence.made.values() for id_ in ids}
    return [
        resource
        for resource in reading.resources
        if resource.id not in plan.surveyed
        and resource.id not in known
        and life_of(resource.state) is not ResourceState.ABSENT
    ]


def _living_first(reading: Reading, proven: Mapping[str, Role]) -> list[Resource]:
    """Return what there is, so that a role goes to what stays first, and to what is proven."""
    return sorted(
        (r for r in reading.resources if life_of(r.state) is not ResourceState.ABSENT),
        key=lambda r: (life_of(r.state) is ResourceState.DELETING, r.id not in proven, r.id),
    )


def _different(what: str, seen: object, wanted: object) -> str:
    return "" if seen == wanted else f"its {what} is {seen}, not {wanted}"


def _different_options(connection: ConnectionRecord, wanted: TunnelOptions) -> str:
    """Return the first chosen tunnel option that *connection* does not have, or an empty string.

    An option without a value is AWS's default, which AWS may describe or leave out.
    """
    described = [t.options for t in connection.tunnels if t.options is not None]
    for name in TunnelOptions.__struct_fields__:
        chosen = getattr(wanted, name)
        if chosen is None or chosen == ():
            continue
        for options in described:
            if sorted(_values(getattr(options, name))) != sorted(_values(chosen)):
                return f"its tunnel option {name} is not {', '.join(_values(chosen))}"
    return ""


def _values(option: object) -> list[str]:
    return [str(each) for each in (option if isinstance(option, tuple) else (option,))]


def _routing(connection: ConnectionRecord | CreateVpnConnection) -> str:
    return "static" if connection.static_only else "BGP"
