"""Negotiated algorithms as operators read them: progress, status, result and report."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from tests.report.test_progress import lines_of
from tests.support.builders import MIGRATION, NOON, OLD_VPN, a_plan
from tests.support.journals import Story
from vpnmigrate.journal import replay
from vpnmigrate.journal.crypto_record import CryptoSeen
from vpnmigrate.journal.records import Finished
from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.negotiated import JudgedTunnel, NegotiatedTunnel, NegotiationStatus
from vpnmigrate.model.plan import Direction
from vpnmigrate.report import evidence, results, status_json, status_text
from vpnmigrate.report.status import RunStatusView

TUNNEL = NegotiatedTunnel(
    VpnConnectionId("vpn-new"),
    "203.0.113.1",
    NegotiationStatus.SHOWN,
    ike_version="ikev2",
    phase1_integrity="SHA1",
)
WEAK = "vpn-new 203.0.113.1: below the floor (IKE integrity SHA1, floor SHA2-256)"
BELOW = CryptoSeen((JudgedTunnel(TUNNEL, ("IKE integrity SHA1, floor SHA2-256",)),))
MET = CryptoSeen((JudgedTunnel(TUNNEL),))
DOWN = CryptoSeen((JudgedTunnel(replace(TUNNEL, status=NegotiationStatus.DOWN, why="not UP")),))
UNREAD = CryptoSeen(why="ec2:GetActiveVpnTunnelStatus is denied")


def migrated(seen: CryptoSeen) -> Story:
    """Return the journal of a migration that ended with *seen*."""
    story = Story().opened().staged().cut().begun(10).flowing()
    return story.then(seen, Finished(Direction.FORWARD))


def view_of(seen: CryptoSeen) -> RunStatusView:
    """Return the status of that migration."""
    entries = migrated(seen).entries
    return RunStatusView(
        run=MIGRATION,
        state=replay(entries),
        now=NOON + timedelta(hours=1),
        alive=False,
        fingerprint="f" * 64,
        connections=(OLD_VPN,),
        folder="runs/x",
        plan=a_plan(),
        entries=entries,
    )


@pytest.mark.parametrize(
    ("seen", "line"),
    [
        (MET, "negotiated algorithms of 1 tunnel: the floor is met"),
        (BELOW, f"negotiated algorithms of {WEAK}"),
        (UNREAD, f"negotiated algorithms of all new tunnels: unknown ({UNREAD.why})"),
    ],
)
def test_the_progress_says_what_was_negotiated(seen, line):
    """A run prints one line if all is met, and one for each tunnel that is not."""
    assert [each.partition("Z   ")[2] for each in lines_of(seen)] == [line]


@pytest.mark.parametrize(("seen", "told"), [(BELOW, WEAK), (UNREAD, "all new tunnels: unknown")])
def test_status_and_result_name_it_with_the_next_command(seen, told):
    """What is below or unknown is shown with how to read it again, beside what comes next."""
    view = view_of(seen)
    for text in (status_text.one(view), results.outcome_text(view)):
        flat = " ".join(text.split())
        assert told in flat
        assert f"vpnmigrate apply {MIGRATION}" in flat
        assert f"vpnmigrate finalize {MIGRATION}" in flat


@pytest.mark.parametrize("seen", [MET, DOWN])
def test_what_is_met_needs_no_command(seen):
    """A floor that is met, or a tunnel that is not UP, is no row of the status."""
    text = status_text.one(view_of(seen))

    assert "ALGORITHMS" not in text
    assert "READ AGAIN" not in text


def test_the_status_in_json_has_every_value():
    """Programs read what was negotiated and the verdict of each tunnel."""
    document = status_json.one_as_json(view_of(BELOW))["negotiated"]

    (tunnel,) = document["tunnels"]
    assert tunnel["verdict"] == "below the floor"
    assert tunnel["negotiated"] == {"IKE versions": "ikev2", "IKE integrity": "SHA1"}


@pytest.mark.parametrize(("seen", "loud"), [(BELOW, True), (UNREAD, False), (MET, False)])
def test_the_report_has_a_section_with_the_verdicts(seen, loud):
    """The report lists each tunnel with its algorithms; below the floor is a warning."""
    entries = migrated(seen).entries
    run = evidence.RunEvidence(MIGRATION, a_plan(), entries)
    sections = {section.title: section for section in evidence.document(run).sections}

    section = sections["Negotiated algorithms"]
    assert section.loud is loud
    rows = section.table.rows if section.table else ()
    assert len(rows) == len(seen.tunnels)
    opens = evidence.as_json(run)["open"]
    assert any("algorithms" in each for each in opens) is (seen is not MET)
