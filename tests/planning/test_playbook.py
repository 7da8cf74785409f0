"""Fields of playbooks, and errors for invalid ones."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from vpnmigrate.model.decisions import (
    Approvals,
    BackOut,
    CryptoFloor,
    Decisions,
    DeviceDriver,
    DirectConnectAssumption,
    DriverKind,
    Exceptions,
    Finalize,
    HookMoment,
    InsideMode,
    KeyMode,
    KeyStorage,
    Networks,
    OldTunnels,
    SshAccess,
    TagChanges,
    TestVpc,
    TunnelPolicy,
    UnsetOptions,
    Verification,
    Waits,
    Window,
)
from vpnmigrate.model.ec2 import KeyExchange, TunnelLogs, TunnelOptions, VpnConnectionId
from vpnmigrate.model.errors import MalformedFileError
from vpnmigrate.planning.playbook import Playbook, playbook_from
from vpnmigrate.planning.yaml_struct import duration_from

# Every option, none with its default: also the plan's text must show each of them.
WHOLE = """\
name: mine
summary: Everything at once.
decisions:
  asn: 64513
  keys: reuse
  inside: listed
  inside_cidrs:
    vpn-1: [169.254.20.0/30, 169.254.20.4/30]
  device_types:
    default: Cisco Systems, Inc./ASR 1000/IOS 12.4+
  drivers:
    cgw-1:
      kind: command
      command: [/usr/local/bin/tunnels, fast]
      existing: /etc/vpnmigrate/munich.conf
      limit: 90s
    cgw-2:
      kind: strongswan
      shell: [/usr/bin/ssh, graz, sh]
      sockets: ["tcp://127.0.0.1:4502"]
      platform: strongswan-frr
    cgw-3:
      kind: netmiko
      platform: juniper-srx
      confirm_timer: 10m
      values: {outside zone: untrust}
      ssh:
        host: bonn.example
        user: netops
        port: 2222
        known_hosts: /etc/vpnmigrate/known_hosts
        password_command: [/usr/local/bin/secret, bonn]
    cgw-4:
      kind: napalm
      platform: cisco-ios
      ssh: {host: koeln.example, user: netops, key_file: /etc/vpnmigrate/key}
    cgw-5:
      kind: netmiko
      platform: cisco-asa
      ssh: {host: mainz.example, user: netops, password_file: /etc/vpnmigrate/mainz}
    default: {kind: manual}
  tunnel_options:
    ike_versions: [ikev2]
    phase1_encryption: [AES256]
    phase1_integrity: [SHA2-384]
    phase1_dh_groups: [20, 21]
    phase2_encryption: [AES256-GCM-16]
    phase2_integrity: [SHA2-512]
    phase2_dh_groups: [19]
    dpd_timeout_seconds: 40
    dpd_timeout_action: clear
    phase1_lifetime_seconds: 7200
    phase2_lifetime_seconds: 1800
    rekey_margin_seconds: 120
    rekey_fuzz_percentage: 50
    replay_window_packets: 2048
    phase2_key_exchanges:
      - {round: 2, methods: [35, 36]}
    startup_action: add
    phase1_key_exchanges:
      - {round: 1, methods: [36], requirement: optional}
    lifecycle_control: true
    logs:
      group: "arn:aws:logs:eu-west-1:123456789012:log-group:vpn"
      format: text
      bgp_group: "arn:aws:logs:eu-west-1:123456789012:log-group:bgp"
      bgp_format: text
  tunnel_options_of:
    vpn-1: {startup_action: start}
  networks:
    vpn-1: {local: 10.1.0.0/16, remote: 10.0.0.0/16}
  unset_options: aws
  crypto_floor:
    ike_versions: [ikev2]
    phase1_encryption: [AES256]
    phase1_integrity: [SHA2-512]
    phase1_dh_groups: [19, 20]
    phase2_encryption: [AES256-GCM-16]
    phase2_integrity: [SHA2-384]
    phase2_dh_groups: [21]
  tags: {drop: ["transitvpc:*"], add: {team: network}}
  key_storage: standard
  test_vpc:
    cidr: 10.255.0.0/24
    command: [/usr/bin/try, --now]
  old_tunnels: leave
  back_out: rollback
  waits:
    tunnels: 1h30m
    steady: 45s
    soak: 15m
    margin: 20m
    hook: 10s
  verification:
    readings: 5
    tunnels: at-least-one
  exceptions:
    prefixes: [10.9.0.0/16]
    connections: [vpn-2]
  probes: ["10.1.0.5:22"]
  change: CHG0012345
  hooks:
    held: [/usr/bin/tell, --now]
  recreate_aws_vpn: true
  direct_connect: absent
  window: 2026-11-28T23:00/03:00 Europe/Berlin
  approvals:
    required: 2
    four_eyes: true
    valid: 3d
    signed: true
    allowed_signers: /etc/signers
    revoked_keys: /etc/revoked
  rehearsed_within: 7d
  finalize:
    approved: true
    window: 2026-12-05T02:00/04:00 UTC
    soak: 2d
"""


def test_says_everything_a_plan_can_decide() -> None:
    """Each decision has a field, and each field is read."""
    assert playbook_from(WHOLE, "mine.yaml") == Playbook(
        "mine",
        "Everything at once.",
        Decisions(
            asn=64513,
            keys=KeyMode.REUSE,
            inside=InsideMode.LISTED,
            inside_cidrs={"vpn-1": ("169.254.20.0/30", "169.254.20.4/30")},  # type: ignore[dict-item]
            device_types={"default": "Cisco Systems, Inc./ASR 1000/IOS 12.4+"},
            drivers={
                "cgw-1": DeviceDriver(
                    DriverKind.COMMAND,
                    ("/usr/local/bin/tunnels", "fast"),
                    existing="/etc/vpnmigrate/munich.conf",
                    limit=timedelta(seconds=90),
                ),
                "cgw-2": DeviceDriver(
                    DriverKind.STRONGSWAN,
                    shell=("/usr/bin/ssh", "graz", "sh"),
                    platform="strongswan-frr",
                    sockets=("tcp://127.0.0.1:4502",),
                ),
                "cgw-3": DeviceDriver(
                    DriverKind.NETMIKO,
                    platform="juniper-srx",
                    confirm_timer=timedelta(minutes=10),
                    values={"outside zone": "untrust"},
                    ssh=SshAccess(
                        "bonn.example",
                        "netops",
                        2222,
                        known_hosts="/etc/vpnmigrate/known_hosts",
                        password_command=("/usr/local/bin/secret", "bonn"),
                    ),
                ),
                "cgw-4": DeviceDriver(
                    DriverKind.NAPALM,
                    platform="cisco-ios",
                    ssh=SshAccess("koeln.example", "netops", key_file="/etc/vpnmigrate/key"),
                ),
                "cgw-5": DeviceDriver(
                    DriverKind.NETMIKO,
                    platform="cisco-asa",
                    ssh=SshAccess("mainz.example", "netops", password_file="/etc/vpnmigrate/mainz"),
                ),
                "default": DeviceDriver(),
            },
            tunnel_options=TunnelOptions(
                ike_versions=("ikev2",),
                phase1_encryption=("AES256",),
                phase1_integrity=("SHA2-384",),
                phase1_dh_groups=(20, 21),
                phase2_encryption=("AES256-GCM-16",),
                phase2_integrity=("SHA2-512",),
                phase2_dh_groups=(19,),
                dpd_timeout_seconds=40,
                dpd_timeout_action="clear",
                phase1_lifetime_seconds=7200,
                phase2_lifetime_seconds=1800,
                rekey_margin_seconds=120,
                rekey_fuzz_percentage=50,
                replay_window_packets=2048,
                phase2_key_exchanges=(KeyExchange(2, (35, 36)),),
                startup_action="add",
                phase1_key_exchanges=(KeyExchange(1, (36,), "optional"),),
                lifecycle_control=True,
                logs=TunnelLogs(
                    "arn:aws:logs:eu-west-1:123456789012:log-group:vpn",
                    "text",
                    "arn:aws:logs:eu-west-1:123456789012:log-group:bgp",
                    "text",
                ),
            ),
            tunnel_options_of={"vpn-1": TunnelOptions(startup_action="start")},
            networks={VpnConnectionId("vpn-1"): Networks("10.1.0.0/16", "10.0.0.0/16")},
            unset_options=UnsetOptions.AWS,
            crypto_floor=CryptoFloor(
                ("ikev2",),
                ("AES256",),
                ("SHA2-512",),
                (19, 20),
                ("AES256-GCM-16",),
                ("SHA2-384",),
                (21,),
            ),
            tags=TagChanges(("transitvpc:*",), {"team": "network"}),
            key_storage=KeyStorage.STANDARD,
            test_vpc=TestVpc("10.255.0.0/24", ("/usr/bin/try", "--now")),
            old_tunnels=OldTunnels.LEAVE,
            back_out=BackOut.ROLLBACK,
            waits=Waits(
                timedelta(minutes=90),
                timedelta(seconds=45),
                timedelta(minutes=20),
                timedelta(minutes=15),
                timedelta(seconds=10),
            ),
            verification=Verification(5, TunnelPolicy.AT_LEAST_ONE),
            exceptions=Exceptions(("10.9.0.0/16",), ("vpn-2",)),  # type: ignore[arg-type]
            probes=("10.1.0.5:22",),
            change="CHG0012345",
            hooks={HookMoment.HELD: ("/usr/bin/tell", "--now")},
            recreate_aws_vpn=True,
            direct_connect=DirectConnectAssumption.ABSENT,
            window=Window(
                datetime(2026, 11, 28, 22, 0, tzinfo=UTC),
                datetime(2026, 11, 29, 2, 0, tzinfo=UTC),
                "2026-11-28T23:00/03:00 Europe/Berlin",
            ),
            approvals=Approvals(
                required=2,
                four_eyes=True,
                valid=timedelta(days=3),
                signed=True,
                allowed_signers="/etc/signers",
                revoked_keys="/etc/revoked",
            ),
            rehearsed_within=timedelta(days=7),
            finalize=Finalize(
                approved=True,
                window=Window(
                    datetime(2026, 12, 5, 2, 0, tzinfo=UTC),
                    datetime(2026, 12, 5, 4, 0, tzinfo=UTC),
                    "2026-12-05T02:00/04:00 UTC",
                ),
                soak=timedelta(days=2),
            ),
        ),
    )


def unchanged(said: Struct, default: Struct, at: str = "") -> Iterator[str]:
    """Yield the options of *said*, at any depth, that are as in *default*."""
    for name in said.__struct_fields__:
        value, usual = getattr(said, name), getattr(default, name)
        if value == usual:
            yield f"{at}{name}"
        elif isinstance(value, Struct) and isinstance(usual, Struct):
            yield from unchanged(value, usual, f"{at}{name}.")


def test_the_whole_example_leaves_nothing_out() -> None:
    """The example above has every field of the decisions and of their structs."""
    said = playbook_from(WHOLE, "mine.yaml").decisions

    assert list(unchanged(said, Decisions())) == []


def test_what_is_left_out_has_its_default() -> None:
    """A playbook needs a name and a summary; the rest has defaults."""
    assert playbook_from("name: x\nsummary: s\n", "x.yaml").decisions == Decisions()


@pytest.mark.parametrize(
    ("line", "text", "advice"),
    [
        ("change: two words", "decisions.change: expected text matching regex", ""),
        ("hooks: {lunch: [x]}", "decisions.hooks: not one of the choices", "choices: before-cut"),
        ("hooks: {held: []}", "decisions.hooks: expected a list of length >= 1", ""),
        ("keys: old", "decisions.keys: not one of the choices", "choices: new, reuse, "),
        ("colour: red", "decisions.colour: unknown field", "fields: asn, keys, "),
        ("asn: '64513'", "decisions.asn: expected a whole number, got text", ""),
        ("recreate_aws_vpn: maybe", "decisions.recreate_aws_vpn: expected ", "choices: true, fal"),
        ("waits: {tunnels: 90}", "decisions.waits.tunnels: not a duration", "write it like 30s"),
        ("waits: {tunnels: PT90S}", "decisions.waits.tunnels: not a duration", "write it like 30s"),
        (
            "waits: {stedy: 30s}",
            "decisions.waits.stedy: unknown field",
            "fields: tunnels, steady",
        ),
        (
            "waits: 30s",
            "decisions.waits: expected a mapping, got text",
            "fields: tunnels, steady",
        ),
        ("waits: {margin: {}}", "decisions.waits.margin: not a duration", "write it like 30s"),
        ("window: 02:00/04:00", "decisions.window: '02:00/04:00' is not a window", "write it like"),
        ("window: {start: 1}", "decisions.window: '' is not a window", "write it like 2026-"),
        (
            "window: 2026-03-29T02:30/04:00 Europe/Berlin",
            "decisions.window: 2026-03-29T02:30 does n",
            "",
        ),
        ("rehearsed_within: 7", "decisions.rehearsed_within: not a duration", "write it like 30s"),
        ("approvals: {required: 10}", "decisions.approvals.required: expected a whole num", ""),
        ("approvals: {valid: week}", "decisions.approvals.valid: not a duration", "write it like"),
        (
            "approvals: {valid: 30d1s}",
            "decisions.approvals.valid: an approval is valid for at most 30 d",
            "set at most 30d",
        ),
        ("approvals: {valid: 0s}", "decisions.approvals.valid: an approval is valid for", "set"),
        ("finalize: {window: x}", "decisions.finalize.window: 'x' is not a window", "write it"),
        ("test_vpc: {}", "decisions.test_vpc: mapping missing required", "fields: cidr, command"),
        ("test_vpc: {cidr: 5}", "decisions.test_vpc.cidr: expected text, got a whole number", ""),
        ("test_vpc: {comand: x}", "decisions.test_vpc.comand: unknown field", "fields: cidr, com"),
        ("drivers: {default: {kind: ssh}}", "decisions.drivers: not one of", "fields: kind"),
        ("drivers: {default: {run: x}}", "decisions.drivers.run: unknown", "fields: kind"),
        ("drivers: {default: {limit: 5}}", "decisions.drivers.default.limit: not a duration", ""),
        (
            "drivers: {default: {kind: command}}",
            "decisions.drivers.default: kind command needs a command",
            "write it like {kind",
        ),
        (
            "drivers: {default: {command: [/x]}}",
            "decisions.drivers.default: kind command needs a command, and no other kind has one",
            "write it like {kind",
        ),
        (
            "drivers: {default: {kind: strongswan}}",
            "decisions.drivers.default: kind strongswan needs a shell",
            "write it like {kind",
        ),
        (
            "drivers: {default: {kind: command, command: [/x], limit: 16m}}",
            "decisions.drivers.default: limit is more than zero and at most 5 min",
            "write it like {kind",
        ),
        (
            "drivers: {default: {kind: netmiko, platform: vyos}}",
            "decisions.drivers.default: kinds netmiko and napalm need ssh, and no other kind",
            "write it like",
        ),
        (
            "drivers: {default: {kind: manual, ssh: {host: h, user: u}}}",
            "decisions.drivers.default: kinds netmiko and napalm need ssh, and no other kind",
            "write it like",
        ),
        (
            "drivers: {default: {kind: napalm, platform: vyos, ssh: {host: h, user: u}}}",
            "decisions.drivers.default: kind napalm needs a platform: cisco-ios",
            "write it like",
        ),
        (
            (
                "drivers: {default: {kind: netmiko, platform: vyos, confirm_timer: 2m, "
                "ssh: {host: h, user: u}}}"
            ),
            "decisions.drivers.default: confirm_timer is longer than limit, which is 2 min",
            "write it like",
        ),
        (
            (
                "drivers: {default: {kind: netmiko, platform: vyos, confirm_timer: 150s, "
                "ssh: {host: h, user: u}}}"
            ),
            "decisions.drivers.default: confirm_timer is in whole minutes, and at most 30 min",
            "write it like",
        ),
        (
            (
                "drivers: {default: {kind: netmiko, platform: vyos, "
                "ssh: {host: h, user: u, key_file: /k, password_file: /p}}}"
            ),
            "decisions.drivers.default: ssh has at most one of key_file, password_file",
            "write it like",
        ),
        (
            (
                "drivers: {default: {kind: netmiko, platform: vyos, "
                "ssh: {host: h, user: u, password_command: [p]}}}"
            ),
            "decisions.drivers.default.ssh.password_command: 'p' is not an absolute path",
            "",
        ),
        (
            "drivers: {default: {kind: command, command: [x]}}",
            "decisions.drivers.default.command: 'x' is not an absolute path",
            "write the absolute path",
        ),
        ("device_types: {default: 5}", "decisions.device_types: expected text", ""),
        (
            "tunnel_options: {ike_versions: [ikev2, 1]}",
            "decisions.tunnel_options.ike_versions[1]: expected text, got a whole number",
            "",
        ),
    ],
)
def test_a_fault_names_line_field_and_choices(line: str, text: str, advice: str) -> None:
    """An error about a field has its line, its path, and the valid choices."""
    with pytest.raises(MalformedFileError) as caught:
        playbook_from(f"name: x\nsummary: s\ndecisions:\n  {line}\n", "mine.yaml")

    assert str(caught.value).startswith(f"mine.yaml, line 4: {text}")
    assert caught.value.advice_text.startswith(advice)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: x\nsumary: s\n", "sumary: unknown field. Did you mean 'summary'?"),
        (
            "name: x\nsummary: s\ndecisions:\n  waits: {stedy: 30s}\n",
            "decisions.waits.stedy: unknown field. Did you mean 'steady'?",
        ),
        ("name: x\nsummary: s\ncolour: red\n", "colour: unknown field"),
    ],
)
def test_an_unknown_field_is_answered_with_the_closest_one(text: str, message: str) -> None:
    """The error for a misspelt field suggests the closest name, if there is a close one."""
    with pytest.raises(MalformedFileError) as caught:
        playbook_from(text, "mine.yaml")

    assert str(caught.value).partition(": ")[2] == message


@pytest.mark.parametrize(
    "text", ["", "- a\n", "just words\n", "name: x\n", "name: A B\nsummary: s\n"]
)
def test_refuses_what_is_no_playbook(text: str) -> None:
    """A text without a valid name and a summary is not a playbook."""
    with pytest.raises(MalformedFileError, match=r"mine\.yaml, line 1: "):
        playbook_from(text, "mine.yaml")


@given(st.integers(0, 999), st.integers(0, 999), st.integers(0, 999), st.integers(0, 999))
def test_spans_are_read_as_written(days: int, hours: int, minutes: int, seconds: int) -> None:
    """Days, hours, minutes and seconds add up."""
    span = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)

    assert duration_from(f"{days}d{hours}h{minutes}m{seconds}s") == span


@pytest.mark.parametrize("said", ["", "30", "s", "1m1h", "-5s", "1.5h", "5 m", "٣s", 30, None])
def test_other_spans_are_refused(said: object) -> None:
    """A number without a unit, or with units in another order, is not a duration."""
    assert duration_from(said) is None


@given(st.text(max_size=200))
def test_any_text_is_a_playbook_or_a_named_fault(text: str) -> None:
    """For any text the result is a playbook or one clear error."""
    read = _read(f"name: x\nsummary: s\ndecisions:\n  {text}")

    if isinstance(read, MalformedFileError):
        assert str(read).startswith("mine.yaml")
    else:
        assert msgspec.json.decode(msgspec.json.encode(read), type=Playbook) == read


def _read(text: str) -> Playbook | MalformedFileError:
    try:
        return playbook_from(text, "mine.yaml")
    except MalformedFileError as fault:
        return fault
