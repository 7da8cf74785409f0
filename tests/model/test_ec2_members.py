"""Every member of EC2's descriptions has a treatment, and what is kept is read and sent."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from msgspec.structs import fields

from vpnmigrate.model.ec2 import TunnelOptions
from vpnmigrate.model.ec2_members import SHAPES, Treatment, members
from vpnmigrate.model.tunnel_options import OPTIONS
from vpnmigrate.planning import preflight

MODEL: Any = botocore.session.get_session().get_service_model("ec2")
ELSEWHERE = {"TunnelInsideCidr", "PreSharedKey", "TunnelInsideIpv6Cidr"}
"""Members of a request's tunnel that other decisions set, or that no gateway has."""


@pytest.mark.parametrize("shape", SHAPES)
def test_each_member_of_botocores_model_has_a_row(shape: str) -> None:
    """A member that AWS adds, or removes, is named here until the table has it."""
    listed = {member.name for member in members() if member.shape == shape}

    assert listed ^ set(MODEL.shape_for(shape).members) == set()


def test_each_tunnel_option_that_is_kept_is_read() -> None:
    """An option that is kept is read from a describe row under the name of the model."""
    kept = {
        member.name
        for member in members()
        if member.shape == "TunnelOption" and member.treatment is Treatment.KEPT
    }

    assert {option.described for option in OPTIONS} == kept


def test_each_tunnel_option_of_a_request_can_be_sent() -> None:
    """A request can have every option that EC2 accepts for a tunnel."""
    accepted = set(MODEL.shape_for("VpnTunnelOptionsSpecification").members)

    assert {option.requested for option in OPTIONS} == accepted - ELSEWHERE


def test_each_option_has_a_field() -> None:
    """``TunnelOptions``, which playbooks and plans contain, has a field for each option."""
    assert {field.name for field in fields(TunnelOptions)} == {o.field for o in OPTIONS}


def test_each_finding_of_a_row_exists() -> None:
    """A row names only findings that planning has."""
    named = {code for member in members() for code in re.findall(r"VPM-\w+", member.how)}
    folder = Path(preflight.__file__).parent
    written = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))

    assert named
    assert {code for code in named if code not in written} == set()
