"""Campaign file: strict reading, what its types cannot state, and the text that is written."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from tests.fleet.test_schedule import member
from vpnmigrate.fleet.campaign import (
    Campaign,
    CampaignAccount,
    FleetLimits,
    FreezeRule,
    Wave,
    campaign_from,
    campaign_schema,
)
from vpnmigrate.fleet.campaign_text import campaign_text
from vpnmigrate.model.errors import MalformedFileError
from vpnmigrate.planning.window_parser import window_from

TEXT = """\
name: classic
waves:
  - name: canary
    soak: 24h
    members:
      - {id: a, account: "111111111111", region: eu-west-1, gateway: vgw-1, plan: a.json}
  - name: rest
    members:
      - {id: b, account: "222222222222", region: eu-west-1, gateway: vgw-2, plan: b.json}
      - {id: c, account: "222222222222", region: eu-west-1, gateway: vgw-3, plan: c.json,
         partners: [b]}
"""

WHOLE = Campaign(
    name="classic",
    playbook="strict",
    limits=FleetLimits(account=3, region=4, device=5),
    error_budget=2,
    freeze=FreezeRule("freeze.ics", margin=timedelta(hours=3, minutes=30)),
    accounts={"111111111111": CampaignAccount("Shop: \u201c1\u201d", "arn:aws:iam::1:role/a")},
    waves=(
        Wave(
            "canary",
            (member("a", name="no", prefixes=("10.0.0.0/8",), connections=2),),
            soak=timedelta(days=1),
            approval=True,
            approved_by="Ann, CHG-1",
            window=window_from("2026-11-28T02:00/04:00 Europe/Berlin"),
        ),
        Wave("rest", (member("b", partners=("a",)), member("c", name="# 1"))),
    ),
)


def test_a_campaign_is_read() -> None:
    """An omitted field has its default."""
    found = campaign_from(TEXT, "c.yaml")

    assert [(wave.name, [m.id for m in wave.members]) for wave in found.waves] == [
        ("canary", ["a"]),
        ("rest", ["b", "c"]),
    ]
    assert found.waves[0].soak == timedelta(days=1)
    assert found.members[2].partners == ("b",)
    assert found.limits == FleetLimits()
    assert found.error_budget == 0


MISTAKES = {
    ("soak: 24h", "soke: 24h"): (4, "waves[0].soke: unknown field. Did you mean 'soak'?"),
    ("soak: 24h", "soak: 24"): (4, "waves[0].soak: not a duration"),
    ("soak: 24h", "window: tonight"): (4, "waves[0].window: 'tonight' is not a window"),
    ("name: classic", "name: Classic"): (1, "name"),
    ("gateway: vgw-2, ", "gatewey: vgw-2, "): (9, "Did you mean 'gateway'?"),
    ('"111111111111"', "111111111111"): (6, "account"),
    ("plan: a.json", "plan: /a.json"): (6, "plan"),
    ("{id: b,", "{id: a,"): (9, "a is the id of line 6 too"),
    ("plan: b.json", "plan: a.json"): (9, "a.json is the plan of line 6 too"),
    ("vgw-3", "vgw-2"): (10, "vgw-2 in 222222222222 eu-west-1 is the gateway of line 9 too"),
    ("name: rest", "name: canary"): (7, "canary is the name of line 3 too"),
    ("partners: [b]", "partners: [d]"): (11, "d is not another member of the campaign"),
    ("partners: [b]", "partners: [c]"): (11, "c is not another member of the campaign"),
    ("name: classic", "name: classic\nlimits: {account: 0}"): (2, "limits.account"),
    ("name: classic", "name: classic\nerror_budget: -1"): (2, "error_budget"),
}


@pytest.mark.parametrize("change", MISTAKES)
def test_a_mistake_is_found_in_its_line(change) -> None:
    """Nothing is guessed: a wrong limit or partner would let two paths run together."""
    old, new = change
    line, message = MISTAKES[change]
    with pytest.raises(MalformedFileError) as raised:
        campaign_from(TEXT.replace(old, new, 1), "c.yaml")

    assert f"c.yaml, line {line}: " in raised.value.message
    assert message in raised.value.message


def test_a_campaign_without_waves_or_members_is_refused() -> None:
    """It would end at once, and look like a success."""
    for text in ("name: c\nwaves: []\n", "name: c\nwaves: [{name: a, members: []}]\n"):
        with pytest.raises(MalformedFileError, match="needs a"):
            campaign_from(text, "c.yaml")


def test_what_is_written_is_read_back() -> None:
    """Every field, also names that YAML would read as something else."""
    assert campaign_from(campaign_text(WHOLE), "c.yaml") == WHOLE
    plain = replace(WHOLE, freeze=None, accounts={})
    assert "# freeze: " in campaign_text(plain)
    assert campaign_from(campaign_text(plain), "c.yaml") == plain


def test_the_example_of_a_freeze_is_valid() -> None:
    """Its comment becomes a rule when the mark is removed."""
    text = campaign_text(replace(WHOLE, freeze=None)).replace("# freeze: ", "freeze: ")

    assert campaign_from(text, "c.yaml").freeze == FreezeRule("freeze.ics")


def test_the_schema_has_the_notation_of_the_file() -> None:
    """Durations and windows are text in an editor, too."""
    schema = campaign_schema()

    wave = schema["$defs"]["Wave"]["properties"]
    assert wave["soak"]["pattern"].startswith("^")
    assert schema["$defs"]["Window"]["type"] == "string"
    assert set(schema["$defs"]["Campaign"]["properties"]) == {
        *("name", "waves", "playbook", "limits", "error_budget", "freeze", "accounts")
    }
