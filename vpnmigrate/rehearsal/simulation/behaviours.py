"""Drawn behaviour: how EC2 behaves in a simulated world, and what a rehearsal keeps.

A new field of ``Behaviour`` is drawn in ``_drawn_later``, unless no simulated world can show it,
and is in ``KEPT`` if a rehearsal with faults (``with_faults``) must not draw it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from msgspec.structs import fields, replace

from vpnmigrate.rehearsal.simulation.seeded_random import SeededRandom
from vpnmigrate.sandbox.behaviour import Behaviour, seconds

KEPT: Mapping[str, str] = {
    "detach_with_direct_connect": "the plan's own survey decides",
    "vpc_creation": "settles before a test VPC is used",
    "lagging": "with none named, every describe lags",
    "detached_lingers": "rows of the past change no decision of a rehearsal",
    "deleted_lingers": "rows of the past change no decision of a rehearsal",
    "ike": "the time of the device, which the reaction time stands for",
    "bgp": "the time of the device, which the reaction time stands for",
    "classic_customer_gateway_reusable": "no plan survives a refusal",
    "same_pair_returns_existing": "planning refuses a second connection of a pair",
    "beside_classic": "the new connections are on a gateway of their own",
    "category_absent": "the survey has the categories already",
    "classic_tunnel_options_listed": "the survey has the tunnels already",
    "tunnel_modification": "no step modifies a tunnel",
    "redacted_keys_named": "the survey has what EC2 shows of the keys already",
    "quota_counts_deleting": "planning has counted the quotas",
    "xml_follows_options": "no step depends on the order",
}
"""Behaviour that keeps its default in a rehearsal, with the reason; everything else is drawn."""


def rehearsed_behaviour(drawn: Behaviour) -> Behaviour:
    """Return *drawn* with the defaults of ``KEPT``, for a rehearsal with faults."""
    names = [field.name for field in fields(Behaviour) if field.name not in KEPT]
    return Behaviour(**{name: getattr(drawn, name) for name in names})


def drawn_behaviour(dice: SeededRandom, seed: int) -> Behaviour:
    """Return the behaviour of EC2 in the world of *seed*, most of it drawn from *dice*."""
    return _drawn_later(_drawn_first(dice), seed)


def _drawn_first(dice: SeededRandom) -> Behaviour:
    slow = dice.one((1, 1, 1, 1, 1, 1, 2, 2, 8))
    late = dice.one((0, 0, 15))
    return Behaviour(
        gateway_creation=seconds(0, 3 * slow),
        gateway_deletion=seconds(5, 30 * slow),
        attach=seconds(2, 45 * slow),
        attachment_visible_after=seconds(0, late),
        gateway_ready_after=timedelta(seconds=dice.one((0, 0, 3, 20))),
        detach=seconds(5, 45 * slow),
        connection_creation=seconds(20, 90 * slow),
        connection_deletion=seconds(10, 60 * slow),
        prefix_change=seconds(0, 5),
        propagation_delay=timedelta(seconds=dice.one((0, 2, 2, 2, 30))),
        detached_lingers=timedelta(seconds=dice.one((0, 60, 3600))),
        deleted_lingers=timedelta(seconds=dice.one((0, 60, 3600))),
        ike=timedelta(seconds=dice.one((1, 8, 30))),
        bgp=timedelta(seconds=dice.one((1, 7, 40))),
        # Together they are the lag of an attachment, within the consistency delay of two minutes.
        read_lag=timedelta(seconds=dice.one((0, 0, 0, 2, 15, 60, 119 - late))),
        propagation_setting_survives_detach=dice.chance(0.5),
        propagated_routes_of_detached="vanish" if dice.chance(0.5) else "blackhole",
        reattach_restores_propagation=dice.chance(0.5),
        edge_association_survives_detach=dice.chance(0.5),
        tunnels_up_while_detached=dice.chance(0.5),
        classic_customer_gateway_reusable=not dice.chance(0.03),
        same_pair_returns_existing=dice.chance(0.5),
        beside_classic=dice.one(("VPN", "VPN-Classic", "refuse")),
        attach_while_other_detaches=dice.one(
            ("InvalidVpcState", "IncorrectState", "InvalidParameterValue")
        ),
        category_absent=dice.chance(0.02),
        classic_tunnel_options_listed=dice.chance(0.5),
        quota_counts_deleting=dice.chance(0.5),
        mutating_objects=dice.number(1, 5),
        xml_follows_options=dice.chance(0.5),
    )


def _drawn_later(behaviour: Behaviour, seed: int) -> Behaviour:
    """Return *behaviour* with temporary refusals, and all that was added after the first draw.

    They have a seed of their own, so that the worlds of known seeds stay the same.  Add here.
    """
    dice = SeededRandom(f"refusals/{seed}")
    return replace(
        behaviour,
        workflow_ends_after=timedelta(seconds=dice.one((0, 0, 0, 2, 10, 45))),
        workflow_refusal=dice.one(
            ("InvalidParameterValue", "IncorrectState", "OperationInProgress")
        ),
        reattached_row=dice.one(("replaces", "precedes", "follows")),
        gateway_not_ready=dice.one(("by call", "different networks")),
        redacted_keys_named=dice.chance(0.5),
        newer_actions_known=dice.chance(0.8),
        classic_maintenance_shown=dice.chance(0.5),
        no_maintenance_named=dice.chance(0.5),
        devices_choose=dice.one(("strongest", "weakest")),
    )
