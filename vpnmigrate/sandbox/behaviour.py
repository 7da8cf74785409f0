"""Behaviour: delays and undocumented choices of EC2, as switches.

Durations are estimates based on reports from real accounts; switches are points on which sources
differ or are silent.  A docstring has the evidence: documented, reported, assumed or in conflict.
The files of ``ec2`` read the fields as ``state.behaviour``, and a simulation draws them
(``rehearsal.simulation.behaviours``).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from msgspec import Struct


class Span(Struct, frozen=True):
    """A random duration between two bounds, derived from the world's seed."""

    least: timedelta
    most: timedelta


def seconds(least: float, most: float | None = None) -> Span:
    """Return a span of seconds; a fixed duration if *most* is missing."""
    return Span(timedelta(seconds=least), timedelta(seconds=least if most is None else most))


AT_ONCE = seconds(0)


class Behaviour(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Delays and switches of one world.  The defaults are realistic; a test sets what it tests."""

    # Durations.
    gateway_creation: Span = seconds(3)
    """Usually seconds; assumed (Terraform allows 10 minutes)."""
    gateway_deletion: Span = seconds(10, 30)
    """Reported: 48-105 s for create, attach, detach and delete together."""
    attach: Span = seconds(20, 45)
    """Reported: 39-67 s for attach alone in Terraform's acceptance tests, polling included."""
    attachment_visible_after: Span = AT_ONCE
    """How long describes omit a new attachment; reported (hashicorp/terraform#13457)."""
    gateway_ready_after: timedelta = timedelta(0)
    """How long after ``attached`` propagation and route calls refuse the gateway; reported."""
    workflow_ends_after: timedelta = timedelta(0)
    """How long after an attachment or a connection reached a final state EC2 still works on its
    gateway, and refuses to attach, detach or delete; reported
    (hashicorp/terraform-provider-aws#35772), how long is assumed."""
    detach: Span = seconds(45)
    """Reported: 50-143 s to re-attach between VPCs; the share of the detach is assumed."""
    detach_with_direct_connect: Span = seconds(1500)
    """Reported: many minutes for a gateway that is associated with a Direct Connect gateway."""
    connection_creation: Span = seconds(180)
    """Minutes; assumed (Terraform allows 40)."""
    connection_deletion: Span = seconds(120)
    """Minutes; assumed (Terraform allows 30)."""
    tunnel_modification: Span = seconds(120)
    """How long changing a tunnel's options interrupts it; documented: "up to several minutes"."""
    prefix_change: Span = seconds(2)
    """Reported: a static prefix becomes available within Terraform's 15 s."""
    vpc_creation: Span = seconds(1)
    """Time until a new VPC is available; assumed."""
    propagation_delay: timedelta = timedelta(seconds=2)
    """Time from a tunnel coming up, or from enabling propagation, to the route in the table; that
    there is one is documented, how long is assumed."""
    detached_lingers: timedelta = timedelta(hours=1)
    """How long a detached attachment stays listed; reported: "some time"."""
    deleted_lingers: timedelta = timedelta(hours=1)
    """How long a deleted gateway or connection stays listed; documented: "a short while"."""
    ike: timedelta = timedelta(seconds=8)
    """Time from enabling a tunnel to IPsec being up; assumed: 10-60 s with BGP, planning figure."""
    bgp: timedelta = timedelta(seconds=7)
    """Time from IPsec being up to an established BGP session; that there is one is reported."""
    read_lag: timedelta = timedelta(0)
    """Maximum age of the state that a describe call returns; the age is random for each call.
    That reads lag is documented, how long is assumed."""
    lagging: tuple[str, ...] = ()
    """Operations that lag; empty for all describe calls, as documented."""

    # Switches for unconfirmed behaviour.
    propagation_setting_survives_detach: bool = True
    """Whether a table still lists a gateway after its detach; sources conflict (domain.md 4.1)."""
    propagated_routes_of_detached: Literal["vanish", "blackhole"] = "vanish"
    """State of the routes of a gateway that is still listed and not attached; sources conflict."""
    reattach_restores_propagation: bool = False
    """Whether a setting that survived a detach takes effect again after a re-attach; assumed."""
    edge_association_survives_detach: bool = False
    """Whether a table stays the edge table of a gateway after its detach; assumed."""
    tunnels_up_while_detached: bool = True
    """Whether a tunnel can be up on a gateway that is attached to no VPC (pre-warming); sources
    conflict (domain.md 10)."""
    classic_customer_gateway_reusable: bool = True
    """Whether the customer gateway of a Classic connection may be used for another one; documented
    by step 3, contradicted by the error table."""
    same_pair_returns_existing: bool = True
    """Whether creating a connection for a pair that has one returns the existing one; documented,
    how it matches is assumed."""
    beside_classic: Literal["VPN", "VPN-Classic", "refuse"] = "VPN"
    """Category of a connection that is created on a gateway with a Classic one; assumed."""
    attach_while_other_detaches: Literal[
        "InvalidVpcState", "IncorrectState", "InvalidParameterValue"
    ] = "InvalidVpcState"
    """Error code of an attach while another gateway is still detaching from the VPC; assumed."""
    workflow_refusal: Literal["InvalidParameterValue", "IncorrectState", "OperationInProgress"] = (
        "InvalidParameterValue"
    )
    """Error code while a workflow has not ended; the first is reported, the others are assumed."""
    reattached_row: Literal["replaces", "precedes", "follows"] = "replaces"
    """Position of an attachment's row relative to the row of an earlier one to the same VPC;
    reported for other VPCs (hashicorp/terraform#6987), for the same one assumed."""
    gateway_not_ready: Literal["by call", "different networks"] = "by call"
    """Which error says that routing does not know an attachment yet: each call's own, or one for
    all; reported (giantswarm/aws-operator#611)."""
    category_absent: bool = False
    """Whether connections are described without a category, as by old endpoints; assumed."""
    classic_tunnel_options_listed: bool = False
    """Whether ``Options.TunnelOptions`` of a Classic connection is filled; assumed."""
    redacted_keys_named: bool = True
    """Whether a key that Secrets Manager has is described as ``REDACTED``, or omitted; reported."""
    quota_counts_deleting: bool = False
    """Whether a resource that is being deleted still counts against a quota; assumed."""
    mutating_objects: int = 5
    """How many gateways and connections may be pending or deleting at once; assumed."""
    newer_actions_known: bool = True
    """Whether the endpoint knows the reads of tunnel maintenance, encryption control and negotiated
    algorithms; reported: some EC2-compatible servers do not."""
    classic_maintenance_shown: bool = False
    """Whether EC2 shows the maintenance of a Classic connection's tunnels, or refuses; assumed."""
    devices_choose: Literal["strongest", "weakest"] = "strongest"
    """Which of the algorithms that AWS accepts (documented) for a tunnel the device proposes."""
    no_maintenance_named: bool = True
    """Whether a tunnel without pending maintenance is ``NONE``, or has no text; assumed."""
    xml_follows_options: bool = False
    """Whether tunnels come in the same order in the configuration and in the options; reported."""

    @property
    def tunnel_delays(self) -> frozenset[timedelta]:
        """The delays after which a tunnel, and then its routes, come up (``next_change``)."""
        rises = {timedelta(0), self.ike, self.ike + self.bgp}
        return frozenset(rises | {delay + self.propagation_delay for delay in rises})

    @property
    def attachment_delays(self) -> frozenset[timedelta]:
        """The fixed delays after an attachment at which answers change (``next_change``).

        A delay that is drawn for each resource (``Span``) is part of the resource's life instead.
        """
        # Propagation can be enabled some time after an attachment (``gateways.is_ready``).
        return self.tunnel_delays | {self.gateway_ready_after}
