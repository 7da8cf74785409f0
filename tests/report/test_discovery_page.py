"""The page of a discovery: one file, complete without a network and without scripts."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

from msgspec.structs import replace

from tests.report.test_runbook import Elements
from tests.support.builders import NOON, a_connection, a_customer_gateway, a_gateway, a_survey
from vpnmigrate.model.decisions import Decisions
from vpnmigrate.model.discovery import Discovery, RegionSurvey, UnreadPlace
from vpnmigrate.model.ec2 import AccountId
from vpnmigrate.planning.discovery import discovered
from vpnmigrate.report.discovery_page import COLUMNS, html

EVIL = "<img src=x onerror='window.evil=1'>"


def an_estate(name="site"):
    """Return two gateways, of which one can be migrated, and an account that was not read."""
    connections = tuple(
        a_connection(f"vpn-{n}", customer_gateway=f"cgw-{n}", tags={"Name": f"{name} {n}"})
        for n in (10, 2)
    )
    devices = tuple(
        replace(a_customer_gateway(f"cgw-{n}"), ip=f"203.0.113.{n}") for n in (10, 2, 9)
    )
    can = a_survey(connections=connections[::-1], customer_gateways=devices)
    detached = a_survey(
        gateway=a_gateway("vgw-2", on=None),
        customer_gateways=devices,
        connections=(
            a_connection("vpn-9", on="vgw-2", customer_gateway="cgw-9", tags={"Name": f"{name} 9"}),
        ),
    )
    region = RegionSurvey(
        NOON, AccountId("111111111111"), "eu-west-1", (can, detached), customer_gateways=devices
    )
    lost = UnreadPlace("no answer", "222222222222", "us-east-1", advice="try again")
    return discovered(Discovery((region,), (lost,)), Decisions())


def a_page(result):
    return html(result, NOON)


def test_every_row_is_in_the_page_itself():
    """Without scripts it is a complete table, and the controls are not shown."""
    page = Elements(a_page(an_estate()))

    text = " ".join(page.texts)
    assert len(page.named("tr")) == 5
    assert len(page.named("th")) == len(COLUMNS)
    assert "hidden" in page.named("form")[0]
    for word in ("vgw-old", "site 10", "203.0.113.9", "VPM-B202", "no answer", "try again"):
        assert word in text


def test_it_needs_nothing_from_outside_and_allows_its_own_script_alone():
    """The policy names the hash of the script, so no other one can run."""
    written = a_page(an_estate())
    page = Elements(written)

    script = written.partition("<script>")[2].partition("</script>")[0]
    digest = b64encode(sha256(script.encode()).digest()).decode()
    policy = next(m["content"] for m in page.named("meta") if "http-equiv" in m)
    assert policy.startswith("default-src 'none'")
    assert f"script-src 'sha256-{digest}'" in policy
    assert not [a for _, attrs in page.elements for a in attrs if a in {"src", "href"}]
    assert "url(" not in written


def test_markup_in_names_stays_text():
    """A tag of an account creates no element."""
    ordinary, evil = Elements(a_page(an_estate())), Elements(a_page(an_estate(name=EVIL)))

    assert [tag for tag, _ in evil.elements] == [tag for tag, _ in ordinary.elements]
    assert any(EVIL in text for text in evil.texts)
