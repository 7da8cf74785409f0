"""Checks that no Direct Connect hangs on the gateway (domain.md 7)."""

from __future__ import annotations

from vpnmigrate.model.decisions import Decisions, DirectConnect
from vpnmigrate.model.plan import Finding
from vpnmigrate.model.survey import Survey
from vpnmigrate.preflight.base import Findings

_GONE_INTERFACES = frozenset({"deleted", "rejected"})
"""A virtual interface is listed for 15 minutes after it was deleted."""
_GONE_ASSOCIATIONS = frozenset({"disassociated"})

_OTHER_WAY = (
    "Replace the connections on this same gateway instead: delete all of them, wait, and "
    "create new ones (AWS's third option keeps Direct Connect up); or move Direct Connect "
    "to another gateway first."
)


def no_virtual_interface(survey: Survey, _decisions: Decisions) -> Findings:
    """A private virtual interface is bound to its gateway for life."""
    for interface in survey.virtual_interfaces:
        if interface.gateway == survey.gateway.id and interface.state not in _GONE_INTERFACES:
            yield Finding(
                "VPM-B301",
                "direct-connect-interface",
                f"virtual interface {interface.id} ({interface.state}) is on {survey.gateway.id}",
                _OTHER_WAY,
            )


def no_association(survey: Survey, _decisions: Decisions) -> Findings:
    """Detaching a gateway deletes its Direct Connect association, which does not come back."""
    for association in survey.associations:
        if association.state not in _GONE_ASSOCIATIONS:
            yield Finding(
                "VPM-B302",
                "direct-connect-association",
                f"{survey.gateway.id} is {association.state} with Direct Connect gateway "
                f"{association.gateway} ({association.id})",
                _OTHER_WAY,
            )


def direct_connect_is_readable(survey: Survey, decisions: Decisions) -> Findings:
    """What cannot be read cannot be ruled out, unless a person vouches for it."""
    for unread in survey.unread:
        if unread.what != "direct_connect":
            continue
        if decisions.direct_connect is DirectConnect.ABSENT:
            yield Finding(
                "VPM-W301",
                "direct-connect-vouched-for",
                f"Direct Connect could not be read: {unread.why}",
                "Nothing, if the playbook's word for it holds (direct_connect: absent).",
            )
        else:
            yield Finding(
                "VPM-B303",
                "direct-connect-unreadable",
                f"Direct Connect could not be read: {unread.why}",
                "Allow directconnect:DescribeVirtualInterfaces and "
                "directconnect:DescribeDirectConnectGatewayAssociations, or say "
                "direct_connect: absent in a playbook if the gateway certainly has none.",
            )
