"""The table of tunnel options, old and new."""

from __future__ import annotations

from msgspec.structs import replace

from tests.support.builders import a_connection, a_plan, a_survey
from vpnmigrate.model.decisions import Decisions, KeyStorage, UnsetOptions
from vpnmigrate.model.ec2 import ConnectionRecord, KeyVisibility, TunnelOptions, TunnelRecord
from vpnmigrate.model.plan import Plan
from vpnmigrate.report.names import NO_NAMES
from vpnmigrate.report.tunnel_options import as_json, option_rows, table, text


def modern(*options: TunnelOptions, key: KeyVisibility = KeyVisibility.SHOWN) -> ConnectionRecord:
    """Return an AWS VPN connection with *options* on its tunnels."""
    tunnels = tuple(
        TunnelRecord(f"192.0.2.{number}", options=each, key=key)
        for number, each in enumerate(options, 1)
    )
    return replace(a_connection(category="VPN"), tunnels=tunnels)


def plan_of(old: ConnectionRecord, decisions: Decisions | None = None) -> Plan:
    """Return the plan to replace *old*."""
    return a_plan(before=a_survey(connections=(old,)), decisions=decisions)


def rows(plan: Plan) -> list[tuple[str, ...]]:
    """Return the rows without the connection."""
    return [row[1:] for row in table(plan).rows]


RESTART = TunnelOptions(dpd_timeout_action="restart")


def test_what_is_alike_on_both_tunnels_is_one_row() -> None:
    """Options that differ have a row for each tunnel, by its old outside address."""
    one = TunnelOptions(dpd_timeout_action="restart", dpd_timeout_seconds=40)

    assert rows(plan_of(modern(one, RESTART))) == [
        ("", "key storage", "Standard", "Standard", "kept"),
        ("both", "dead peer action", "restart", "restart", "kept"),
        ("192.0.2.1", "dead peer timeout, s", "40", "40", "kept"),
        ("192.0.2.2", "dead peer timeout, s", "AWS's default", "30 (default)", "kept"),
    ]


def test_what_is_lost_is_named() -> None:
    """AWS's default in place of an old value, traffic selectors and key storage included."""
    old = replace(modern(RESTART, RESTART, key=KeyVisibility.REDACTED), local_network="10.1.0.0/16")
    lost = Decisions(unset_options=UnsetOptions.AWS, key_storage=KeyStorage.STANDARD)

    assert rows(plan_of(old, lost)) == [
        ("", "local network", "10.1.0.0/16", "0.0.0.0/0", "lost"),
        ("", "key storage", "Secrets Manager", "Standard", "lost"),
        ("both", "dead peer action", "restart", "clear (default)", "lost"),
    ]


def test_strong_defaults_are_chosen_for_a_classic_connection() -> None:
    """EC2 shows no options of the old tunnels."""
    found = {row.option: row for row in option_rows(plan_of(a_connection()))}

    assert found["IKE versions"].old == "not shown by EC2"
    assert (found["IKE versions"].new, found["IKE versions"].remark) == ("ikev2", "chosen")


def test_weak_algorithms_are_named() -> None:
    """A kept algorithm that is weak is marked where it stands."""
    weak = TunnelOptions(phase1_integrity=("SHA1", "SHA2-256"))
    found = {row.option: row for row in option_rows(plan_of(modern(weak, weak)))}

    assert found["IKE integrity"].remark == "kept; weak: SHA1"


def test_a_start_up_action_comes_later() -> None:
    """The successor has ``add`` until the cutover."""
    start = TunnelOptions(startup_action="start")
    found = {row.option: row for row in option_rows(plan_of(modern(start, start)))}

    assert found["start-up action"].new == "add, then start"


def test_text_and_json_have_the_same_rows() -> None:
    """A program reads what a person reads."""
    plan = plan_of(modern(RESTART, TunnelOptions()))

    shown = text(plan, NO_NAMES)

    assert "vpn-old, tunnel 192.0.2.1" in shown
    assert "dead peer action  restart (kept)" in shown
    assert [row["option"] for row in as_json(plan)] == [row.option for row in option_rows(plan)]
