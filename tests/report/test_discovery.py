"""Discovery as text, JSON and CSV."""

from __future__ import annotations

import csv
import io

from msgspec.structs import replace

from tests.support.builders import NOON, a_connection, a_customer_gateway, a_gateway, a_survey
from vpnmigrate.model.decisions import Decisions
from vpnmigrate.model.discovery import ClosedAccount, Discovery, RegionSurvey, UnreadPlace
from vpnmigrate.model.ec2 import AccountId
from vpnmigrate.model.errors.commands import Invocation, cli
from vpnmigrate.planning.discovery import discovered
from vpnmigrate.report import discovery as view
from vpnmigrate.report.discovery_table import COLUMNS, csv_text

EVIL = '=HYPERLINK("x")\x1b[31m\n<b>'


def a_result(name=EVIL, **fields):
    """Return an account with one gateway whose connection is called *name*."""
    survey = a_survey(
        gateway=a_gateway(tags={"Name": name}), connections=(a_connection(tags={"Name": name}),)
    )
    region = RegionSurvey(
        NOON,
        AccountId("111111111111"),
        "eu-west-1",
        (survey,),
        customer_gateways=(a_customer_gateway(),),
        name=name,
    )
    return discovered(Discovery((replace(region, **fields),)), Decisions())


def test_a_name_cannot_change_the_terminal():
    """Control characters of tags are replaced, and no line is longer than the window."""
    text = view.text(a_result("\x1b[31m" + "x" * 40), Invocation())

    assert "\x1b" not in text
    assert "?[31m" in text
    assert "CAN BE MIGRATED (1 GATEWAY, 1 CONNECTION)" in text


def test_a_spreadsheet_executes_no_name():
    """A cell that begins as a formula begins with an apostrophe instead, on one line."""
    (row,) = csv.DictReader(io.StringIO(csv_text(a_result())))

    assert row["site"].startswith("'=HYPERLINK")
    assert row["account_name"].startswith("'=")
    assert "\n" not in row["site"]
    assert tuple(row) == COLUMNS


def test_closed_accounts_and_gaps_are_in_every_form():
    """Text, JSON and CSV name what was not read; JSON says that the result is not complete."""
    found = discovered(
        Discovery(
            (),
            (UnreadPlace("no answer", "222222222222", "us-east-1", advice="try again"),),
            (ClosedAccount("333333333333", "old", "SUSPENDED"),),
        ),
        Decisions(),
    )

    text, document = view.text(found, Invocation()), view.as_json(found, Invocation())
    rows = list(csv.DictReader(io.StringIO(csv_text(found))))

    for word in ("222222222222 us-east-1", "no answer", "try again", "333333333333", "SUSPENDED"):
        assert word in text
    assert not document["complete"]
    assert document["unread"][0]["why"] == "no answer"
    assert document["closed"][0]["status"] == "SUSPENDED"
    assert [row["group"] for row in rows] == ["not-read", "closed"]


def test_the_command_that_makes_a_place_readable_can_be_pasted():
    """It is on a line of its own, with the options of this process, in text and JSON."""
    advice = ("renew the credentials, then:", cli("discover"))
    lost = UnreadPlace("expired", "222222222222", "us-east-1", advice=advice)
    found = discovered(Discovery((), (lost,)), Decisions())
    invocation = Invocation(endpoint_url="https://ec2.example/")

    text, document = view.text(found, invocation), view.as_json(found, invocation)

    command = "vpnmigrate discover --endpoint-url https://ec2.example/"
    assert command in [line.strip() for line in text.splitlines()]
    assert document["unread"][0]["advice"] == f"renew the credentials, then: {command}"


def test_a_gateway_without_connections_has_a_row():
    """So that every gateway that was found is in the spreadsheet."""
    result = a_result("x", surveys=(a_survey(connections=()),))

    (row,) = csv.DictReader(io.StringIO(csv_text(result)))

    assert (row["gateway"], row["connection"]) == ("vgw-old", "")
    assert "no connections" in view.text(result, Invocation())
