"""Checks without a numbered case, and rules for all checks."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from tests.support.builders import (
    OLD,
    VPC,
    a_connection,
    a_customer_gateway,
    a_gateway,
    a_survey,
    a_table,
    with_tunnels,
)
from vpnmigrate.model.decisions import (
    Decisions,
    DeviceDriver,
    DirectConnectAssumption,
    DriverKind,
    Exceptions,
    InsideMode,
    KeyMode,
    KeyStorage,
    Networks,
    OldTunnels,
    SshAccess,
    TagChanges,
    TestVpc,
    UnsetOptions,
    Verification,
    Waits,
)
from vpnmigrate.model.ec2 import (
    Attached,
    ConnectionRecord,
    CustomerGatewayRecord,
    KeyExchange,
    KeyVisibility,
    RouteRecord,
    Tag,
    TunnelLogs,
    TunnelOptions,
    TunnelRecord,
    VpcId,
    VpcRecord,
    VpnConnectionId,
)
from vpnmigrate.model.encryption_control import (
    NOT_OFFERED,
    EncryptionControl,
    EncryptionControls,
)
from vpnmigrate.model.permissions import MissingPermission, PermissionVerdict
from vpnmigrate.model.plan import Finding, Severity
from vpnmigrate.model.survey import Survey, Unread
from vpnmigrate.planning.preflight import CHECKS, check
from vpnmigrate.planning.preflight.base import network, overlap
from vpnmigrate.planning.preflight.routing import other_routes_are_reported
from vpnmigrate.planning.window_parser import window_from

SOURCES = sorted((Path(__file__).parents[2] / "vpnmigrate" / "planning" / "preflight").glob("*.py"))
LISTED = {VpnConnectionId("vpn-old"): ("169.254.20.0/30", "169.254.20.4/30")}


def found(survey: Survey | None = None, decisions: Decisions | None = None) -> dict[str, Finding]:
    """Return the findings by code."""
    return {f.code: f for f in check(survey or a_survey(), decisions or Decisions())}


class TestEveryCheck:
    """Rules that hold for all findings."""

    def test_codes_and_names_belong_together(self) -> None:
        """A code has one finding only, and is VPM-B or VPM-W and three digits."""
        pairs = [
            pair
            for source in SOURCES
            for pair in re.findall(r'Finding\(\s*"([^"]+)",\s*"([^"]+)"', source.read_text())
        ]

        assert len(pairs) > 50
        assert len({code for code, _ in pairs}) == len({name for _, name in pairs}) == len(pairs)
        assert all(re.fullmatch(r"VPM-[BW]\d{3}", code) for code, _ in pairs)

    def test_every_check_is_asked(self) -> None:
        """Every check function is in the list."""
        written = {
            name
            for source in SOURCES
            for name in re.findall(
                r"^def ([a-z]\w+)\(.*\) -> Findings:", source.read_text(), re.MULTILINE
            )
        }

        assert {one.__name__ for one in CHECKS} == written

    def test_the_ordinary_migration_only_warns(self) -> None:
        """A healthy gateway with default decisions has no blocking finding."""
        assert all(f.severity is Severity.WARNS for f in check(a_survey(), Decisions()))

    def test_blockers_come_first(self) -> None:
        """Blocking findings come first."""
        survey = a_survey(gateway=a_gateway(tags={Tag.CLAIM: "ann"}))

        severities = [f.severity for f in check(survey, Decisions(asn=1))]

        assert severities[0] is Severity.BLOCKS
        assert severities == sorted(severities, key=lambda s: s is Severity.WARNS)


class TestGateway:
    """The old gateway and its VPC."""

    def test_refuses_an_unavailable_gateway(self) -> None:
        """A gateway that is being deleted is not migrated."""
        assert "VPM-B201" in found(a_survey(gateway=a_gateway(state="deleting")))

    @pytest.mark.parametrize("state", ["attaching", "detaching", "wandering"])
    def test_refuses_a_gateway_in_transition(self, state: str) -> None:
        """An attachment in transition must finish first."""
        assert "VPM-B203" in found(a_survey(gateway=a_gateway(attachment=state)))

    def test_refuses_a_gateway_on_two_vpcs(self) -> None:
        """A gateway that EC2 shows on two VPCs is refused."""
        both = (Attached(VPC, "attached"), Attached(VpcId("vpc-2"), "attached"))
        gateway = msgspec.structs.replace(a_gateway(), attachments=both)

        assert "vpc-1, vpc-2" in found(a_survey(gateway=gateway))["VPM-B204"].evidence

    def test_accepts_a_memory_of_another_vpc(self) -> None:
        """An attachment that EC2 lists as detached is ignored."""
        both = (Attached(VpcId("vpc-0"), "detached"), Attached(VPC, "attached"))
        gateway = msgspec.structs.replace(a_gateway(), attachments=both)

        assert not any(code.startswith("VPM-B") for code in found(a_survey(gateway=gateway)))

    def test_refuses_a_vpc_it_cannot_read(self) -> None:
        """The attached VPC must be readable."""
        assert VPC in found(a_survey(vpcs=()))["VPM-B205"].evidence

    @pytest.mark.parametrize("whose", ["vpc", "table"])
    def test_refuses_a_shared_vpc(self, whose: str) -> None:
        """A participant of a shared VPC must plan with the owner's credentials."""
        survey = a_survey(
            vpcs=(VpcRecord(VPC, owner="999999999999" if whose == "vpc" else ""),),
            route_tables=(
                msgspec.structs.replace(
                    a_table(), owner="999999999999" if whose == "table" else "123456789012"
                ),
            ),
        )

        assert "999999999999" in found(survey)["VPM-B206"].evidence

    @pytest.mark.parametrize(("count", "refused"), [(47, False), (48, True)])
    def test_refuses_more_tags_than_can_be_copied(self, count: int, refused: bool) -> None:
        """Three more tags must fit beside the copied ones; AWS's tags are not copied."""
        tags = {"aws:cloudformation:stack-id": "x", **{f"tag-{n}": "" for n in range(count)}}

        assert ("VPM-B207" in found(a_survey(gateway=a_gateway(tags=tags)))) is refused

    def test_a_change_number_takes_a_tag_too(self) -> None:
        """With a change number one more tag must fit."""
        survey = a_survey(gateway=a_gateway(tags={f"tag-{n}": "" for n in range(47)}))

        assert "VPM-B207" in found(survey, Decisions(change="CHG1"))

    def test_a_dropped_tag_takes_no_room(self) -> None:
        """Only the tags that a successor gets are counted."""
        survey = a_survey(gateway=a_gateway(tags={f"tag-{n}": "" for n in range(48)}))

        assert "VPM-B207" not in found(survey, Decisions(tags=TagChanges(drop=("tag-1*",))))

    @pytest.mark.parametrize(
        "add",
        [{"aws:x": ""}, {"vpnmigrate:role": "x"}, {"": ""}, {"k" * 129: ""}, {"k": "v" * 257}],
    )
    def test_refuses_tags_that_ec2_refuses(self, add: dict[str, str]) -> None:
        """Steps 2 and 3 would fail with them."""
        assert "VPM-B208" in found(decisions=Decisions(tags=TagChanges(add=add)))

    @pytest.mark.parametrize("key", ["transitvpc:spoke", "kubernetes.io/cluster/prod", "TTL"])
    def test_names_tags_that_other_programs_act_on(self, key: str) -> None:
        """A copy on the new gateway starts them, before the cutover."""
        survey = a_survey(gateway=a_gateway(tags={key: "x", "team": "network"}))

        finding = found(survey)["VPM-W204"]

        assert key in finding.evidence
        assert f"tags: {{drop: [{key}]}}" in finding.fix
        assert "VPM-W204" not in found(survey, Decisions(tags=TagChanges(drop=(key,))))
        assert "VPM-W204" not in found(a_survey(gateway=a_gateway(tags={"team": "network"})))

    def test_tells_of_a_claim(self) -> None:
        """The claim of another holder is reported in planning."""
        survey = a_survey(gateway=a_gateway(tags={Tag.CLAIM: "ann@ops"}))

        assert "ann@ops" in found(survey)["VPM-W201"].evidence

    def test_tells_of_tags_of_a_migration(self) -> None:
        """Resources that have a migration's tags before the run starts are reported."""
        tags = {str(Tag.MIGRATION): "m-1", str(Tag.ROLE): "gateway"}
        survey = a_survey(other_gateways=(a_gateway("vgw-x", on=None, tags=tags),))

        assert "vgw-x (m-1)" in found(survey)["VPM-W203"].evidence
        assert "VPM-W203" not in found(a_survey())

    @pytest.mark.parametrize(
        ("old", "decisions", "source"),
        [
            (7224, Decisions(), "AWS's default ASN 64512 is"),
            (64512, Decisions(), "the old gateway's ASN 64512 is"),
            (7224, Decisions(asn=64512), "asn: 64512 is"),
        ],
    )
    def test_names_the_source_of_an_asn_that_a_device_has(
        self, old: int, decisions: Decisions, source: str
    ) -> None:
        """The old gateway's ASN is kept, so it is not AWS's default that clashes."""
        survey = a_survey(
            gateway=a_gateway(asn=old), customer_gateways=(a_customer_gateway(asn=64512),)
        )

        assert found(survey, decisions)["VPM-B502"].evidence.startswith(source)


class TestConnections:
    """The old connections and their devices."""

    @pytest.mark.parametrize("devices", [(), (CustomerGatewayRecord("cgw-1", "deleting"),)])  # type: ignore[arg-type]
    def test_refuses_a_missing_device(self, devices: tuple[CustomerGatewayRecord, ...]) -> None:
        """A successor needs its customer gateway available."""
        assert "VPM-B106" in found(a_survey(customer_gateways=devices))

    def test_refuses_to_reuse_the_key_of_a_certificate(self) -> None:
        """A connection with a certificate has no key to reuse."""
        device = msgspec.structs.replace(a_customer_gateway(), certificate="arn:aws:acm:x")
        survey = a_survey(customer_gateways=(device,))

        assert "VPM-B108" in found(survey, Decisions(keys=KeyMode.REUSE))
        assert "VPM-B108" not in found(survey)

    @pytest.mark.parametrize(("platform", "warns"), [("fortios", True), ("vyos", False)])
    def test_names_devices_that_do_not_undo_a_change(self, platform: str, warns: bool) -> None:
        """A driver's change on a platform without a timer lasts, even if it cuts off the device."""
        access = SshAccess("munich.example", "netops")
        driver = DeviceDriver(DriverKind.NETMIKO, ssh=access, platform=platform)
        findings = found(a_survey(), Decisions(drivers={"default": driver}))

        assert ("VPM-W114" in findings) == warns
        if warns:
            assert "cgw-1 (netmiko munich.example, fortios)" in findings["VPM-W114"].evidence
        assert "VPM-W114" not in found(a_survey())

    @pytest.mark.parametrize(
        ("name", "warns"), [("munich", True), ("cgw-1", False), ("default", False)]
    )
    def test_names_drivers_that_no_device_has(self, name: str, warns: bool) -> None:
        """The name of a site has no effect: drivers are chosen by customer gateway."""
        driver = DeviceDriver(DriverKind.COMMAND, ("/usr/local/bin/tunnels",))
        findings = found(a_survey(), Decisions(drivers={name: driver}))

        assert ("VPM-W115" in findings) == warns
        if warns:
            assert "drivers names munich" in findings["VPM-W115"].evidence
            assert "Name one of cgw-1" in findings["VPM-W115"].fix

    def test_names_static_prefixes_of_a_bgp_connection(self) -> None:
        """EC2 accepts no static prefix for a successor that uses BGP."""
        static = a_connection(prefixes=["10.9.0.0/16"])
        both = msgspec.structs.replace(static, static_only=False)

        assert "10.9.0.0/16" in found(a_survey(connections=(both,)))["VPM-W113"].evidence
        assert "VPM-W113" not in found(a_survey(connections=(static,)))

    def test_warns_of_a_connection_that_is_down(self) -> None:
        """A connection without a tunnel UP is reported, since step 10 requires one."""
        survey = a_survey(connections=(a_connection(up=0),))

        assert "exceptions.connections" in found(survey)["VPM-W103"].fix
        assert "VPM-W103" not in found(a_survey(connections=(a_connection(up=1),)))

    def test_warns_of_one_tunnel_down(self) -> None:
        """One tunnel of two is no redundancy; the finding names the tunnel that is down."""
        down = a_connection(up=1)
        address = next(reading.outside_ip for reading in down.telemetry if not reading.up)

        assert address in found(a_survey(connections=(down,)))["VPM-W106"].evidence
        for up in (0, 2):
            assert "VPM-W106" not in found(a_survey(connections=(a_connection(up=up),)))

    @pytest.mark.parametrize(("until", "warned"), [("10:00", False), ("10:01", True)])
    def test_asks_about_a_window_of_more_than_one_shift(self, until: str, warned: bool) -> None:
        """A window over eight hours may have a wrong date: both moments are shown."""
        window = window_from(f"2026-11-28T02:00/{until} Europe/Berlin")
        findings = found(a_survey(), Decisions(window=window))

        assert ("VPM-W902" in findings) is warned
        if warned:
            assert (
                "from 2026-11-28 01:00:00Z to 2026-11-28 09:01:00Z" in findings["VPM-W902"].evidence
            )


class TestEncryptionControl:
    """The encryption controls of VPC and account."""

    @pytest.mark.parametrize(
        ("controls", "code"),
        [
            (EncryptionControls(EncryptionControl("enforce", "available")), "VPM-B209"),
            (EncryptionControls(EncryptionControl("enforce", "deleting")), "VPM-W205"),
            (EncryptionControls(account=EncryptionControl("attempt-enforce")), "VPM-W205"),
            (EncryptionControls(EncryptionControl("a mode of 2027")), "VPM-W206"),
            (EncryptionControls(account_unread="ec2:X is denied"), "VPM-W206"),
        ],
    )
    def test_what_may_keep_a_gateway_from_being_attached(
        self, controls: EncryptionControls, code: str
    ) -> None:
        """Enforcement blocks, a change warns, and so does what could not be read."""
        assert set(found(a_survey(encryption=controls))) - set(found()) == {code}

    @pytest.mark.parametrize(
        "controls",
        [
            EncryptionControls(),
            EncryptionControls(EncryptionControl("enforce", "available", "enabled")),
            EncryptionControls(
                EncryptionControl(NOT_OFFERED), EncryptionControl("attempt-monitor")
            ),
        ],
    )
    def test_what_allows_it(self, controls: EncryptionControls) -> None:
        """No control, an exclusion, or an endpoint without controls is no finding."""
        assert set(found(a_survey(encryption=controls))) == set(found())


class TestDirectConnect:
    """Parts of the survey that could not be read."""

    UNREAD = a_survey(unread=(Unread("direct_connect", "AccessDeniedException"),))

    def test_refuses_what_it_cannot_rule_out(self) -> None:
        """Direct Connect that cannot be read blocks, and the missing actions are named."""
        fix = found(self.UNREAD)["VPM-B303"].fix

        assert "directconnect:DescribeVirtualInterfaces" in fix

    def test_takes_the_operators_word(self) -> None:
        """A playbook may declare that there is none; then it is a warning."""
        findings = found(self.UNREAD, Decisions(direct_connect=DirectConnectAssumption.ABSENT))

        assert "VPM-B303" not in findings
        assert "VPM-W301" in findings


class TestAddresses:
    """Inside CIDRs in a playbook."""

    def test_refuses_a_list_that_is_not_used(self) -> None:
        """Listed inside CIDRs are refused if another mode would ignore them."""
        assert "VPM-B603" in found(decisions=Decisions(inside_cidrs=LISTED))

    def test_refuses_a_list_for_strangers(self) -> None:
        """A list that names an unknown connection, and so misses a known one, is refused."""
        cidrs = {VpnConnectionId("vpn-typo"): ("169.254.20.0/30", "169.254.20.4/30")}

        findings = found(decisions=Decisions(inside=InsideMode.LISTED, inside_cidrs=cidrs))

        assert "vpn-typo" in findings["VPM-B604"].evidence
        assert "vpn-old" in findings["VPM-B605"].evidence

    def test_refuses_to_keep_what_it_does_not_know(self) -> None:
        """Both inside CIDRs of the old connection must be known to be kept."""
        blind = msgspec.structs.replace(
            a_connection(), tunnels=(TunnelRecord("192.0.2.1"), TunnelRecord("192.0.2.2"))
        )

        findings = found(a_survey(connections=(blind,)), Decisions(inside=InsideMode.KEEP))

        assert "VPM-B606" in findings

    def test_warns_of_kept_addresses(self) -> None:
        """Kept addresses come with a warning: a device must not use them twice."""
        findings = found(decisions=Decisions(inside=InsideMode.KEEP))

        assert "disable" in findings["VPM-W601"].fix
        assert not any(code.startswith("VPM-B") for code in findings)

    def test_refuses_kept_addresses_beside_open_old_tunnels(self) -> None:
        """Keeping the addresses and leaving the old tunnels enabled contradict each other."""
        decisions = Decisions(inside=InsideMode.KEEP, old_tunnels=OldTunnels.LEAVE)

        assert "VPM-B607" in found(decisions=decisions)

    def test_warns_of_a_test_network_like_another_vpc(self) -> None:
        """A test network that overlaps another VPC is a warning: a device may reach both."""
        vpcs = (VpcRecord(VPC), VpcRecord(VpcId("vpc-2"), cidrs=("10.255.0.0/16",)))

        findings = found(a_survey(vpcs=vpcs), Decisions(test_vpc=TestVpc("10.255.0.0/24")))

        assert "vpc-2" in findings["VPM-W602"].evidence
        assert "VPM-B609" not in findings


class TestRouting:
    """Effects on route tables."""

    def test_tells_of_static_routes(self) -> None:
        """Static routes drop packets during the outage; they are named."""
        assert "192.168.0.0/16 in rtb-both" in found()["VPM-W702"].evidence

    def test_tells_of_black_holes(self) -> None:
        """A static route that carries no traffic before the migration is named with its state."""
        table = msgspec.structs.replace(
            a_table("rtb-1"),
            routes=(RouteRecord("10.1.0.0/16", OLD, state="blackhole"), RouteRecord("::/0", OLD)),
        )

        assert (
            "10.1.0.0/16 in rtb-1 is blackhole"
            in found(a_survey(route_tables=(table,)))["VPM-W708"].evidence
        )
        assert "VPM-W708" not in found()

    def test_tells_of_advertised_routes_to_the_gateway(self) -> None:
        """No step changes what a VPC Route Server advertises; the gateway's own are not its."""
        table = a_table("rtb-1", propagates=OLD, learned=["10.1.0.0/16"])
        advertised = RouteRecord("10.1.0.0/16", OLD, "Advertisement")
        both = msgspec.structs.replace(table, routes=(*table.routes, advertised))

        assert "10.1.0.0/16 in rtb-1" in found(a_survey(route_tables=(both,)))["VPM-W709"].evidence
        assert "VPM-W709" not in found(a_survey(route_tables=(table,)))

    def test_tells_of_rivals(self) -> None:
        """A route with another target for some of the same addresses is named with the overlap."""
        table = msgspec.structs.replace(
            a_table("rtb-1", propagates=OLD, learned=["10.1.0.0/16"]),
            routes=(
                RouteRecord("10.1.0.0/16", OLD, "EnableVgwRoutePropagation"),
                RouteRecord("10.1.2.0/24", "pcx-1"),
                RouteRecord("10.2.0.0/16", "pcx-2"),
                RouteRecord("10.0.0.0/8", "local", "CreateRouteTable"),
            ),
        )

        evidence = found(a_survey(route_tables=(table,)))["VPM-W703"].evidence

        assert evidence == "rtb-1: 10.1.2.0/24 to pcx-1 overlaps 10.1.0.0/16"

    @pytest.mark.parametrize(("propagates", "output"), [(OLD, True), (None, False)])
    def test_tells_of_default_routes(self, propagates: str | None, output: bool) -> None:
        """A default route is reported only for tables with propagation."""
        table = a_table("rtb-1", propagates=propagates, static={"0.0.0.0/0": "nat-1"})

        assert ("VPM-W704" in found(a_survey(route_tables=(table,)))) is output


class TestOptions:
    """Device types, waits and exceptions."""

    def test_refuses_device_types_of_nobody(self) -> None:
        """A device type for a customer gateway that no connection uses is refused."""
        decisions = Decisions(device_types={"cgw-typo": "Cisco/ISR/12.4"})

        assert "cgw-1" in found(decisions=decisions)["VPM-B702"].fix

    @pytest.mark.parametrize("kind", ["Cisco", "Cisco/ISR", "Cisco//12.4"])
    def test_refuses_incomplete_device_types(self, kind: str) -> None:
        """A device type needs vendor, platform and software."""
        assert "VPM-B703" in found(decisions=Decisions(device_types={"default": kind}))

    def test_accepts_a_device_type_with_commas_and_slashes(self) -> None:
        """A vendor's name may contain any character that AWS uses."""
        kind = "Cisco Systems, Inc./ASR 1000/IOS 12.4+"

        assert "VPM-B703" not in found(decisions=Decisions(device_types={"cgw-1": kind}))

    def test_refuses_waits_that_cannot_be(self) -> None:
        """The stable time must be shorter than the limit of step 10."""
        waits = Waits(tunnels=timedelta(seconds=30), steady=timedelta(minutes=1))

        assert "VPM-B704" in found(decisions=Decisions(waits=waits))

    @pytest.mark.parametrize(
        "decisions",
        [
            Decisions(waits=Waits(soak=timedelta(seconds=-1))),
            Decisions(verification=Verification(readings=1)),
        ],
    )
    def test_refuses_a_verification_that_proves_nothing(self, decisions: Decisions) -> None:
        """A single UP reading may be stale, and no soak can be negative."""
        assert "VPM-B705" in found(decisions=decisions)

    def test_refuses_exceptions_for_strangers(self) -> None:
        """An exception for an unknown connection is refused."""
        exceptions = Exceptions(connections=(VpnConnectionId("vpn-typo"),))

        assert "vpn-old" in found(decisions=Decisions(exceptions=exceptions))["VPM-B801"].fix

    def test_refuses_exceptions_that_are_not_canonical(self) -> None:
        """An excepted prefix must be in EC2's notation."""
        exceptions = Exceptions(prefixes=("10.1.2.3/16",))

        assert "10.1.0.0/16" in found(decisions=Decisions(exceptions=exceptions))["VPM-B802"].fix

    def test_warns_of_exceptions_never_seen(self) -> None:
        """An excepted prefix that is not advertised now may be misspelt."""
        unseen = Exceptions(prefixes=("10.77.0.0/16",))
        seen = Exceptions(prefixes=("10.1.0.0/16",))

        assert "VPM-W801" in found(decisions=Decisions(exceptions=unseen))
        assert "VPM-W801" not in found(decisions=Decisions(exceptions=seen))


class TestPermissions:
    @pytest.mark.parametrize("phases", [(), ("stage",), ("rollback",), ("finalize",)])
    def test_every_missing_permission_is_named(self, phases: tuple[str, ...]) -> None:
        """Denied, removing, unproven and simulated actions are findings of their own."""
        missing = [
            MissingPermission(f"ec2:{name}", verdict, "why", only_removes=removes, phases=phases)
            for name, verdict, removes in (
                ("Needed", PermissionVerdict.DENIED, False),
                ("Removing", PermissionVerdict.DENIED, True),
                ("Untried", PermissionVerdict.UNPROVEN, False),
                ("Unclear", PermissionVerdict.UNKNOWN, True),
                ("Simulated", PermissionVerdict.SIMULATED, False),
                ("OfRole", PermissionVerdict.SIMULATED_ROLE, False),
            )
        ]
        survey = msgspec.structs.replace(a_survey(), missing_permissions=tuple(missing))
        seen = {code: f for code, f in found(survey).items() if code.startswith("VPM-W0")}

        assert seen["VPM-W001"].evidence == "these credentials may not call ec2:Needed"
        assert "vpnmigrate iam-policy PLAN --phase" in seen["VPM-W001"].fix
        assert "ec2:Removing" in seen["VPM-W002"].evidence
        assert "ec2:Untried, ec2:Unclear: why" in seen["VPM-W003"].evidence
        assert "ec2:Simulated, ec2:OfRole: why" in seen["VPM-W004"].evidence
        assert all(f.severity is Severity.WARNS for f in seen.values())


NETWORKS = (
    "10.0.0.0/8",
    "10.0.0.0/16",
    "10.0.1.0/24",
    "10.128.0.0/9",
    "0.0.0.0/0",
    "2001:db8::/32",
)


@pytest.mark.parametrize("seed", range(40))
def test_the_overlapping_routes_are_those_of_a_comparison_of_every_pair(seed):
    """Overlaps are found by prefix, without a comparison of every route with every other one."""
    random = Random(seed)
    ours = random.sample((*NETWORKS, "2001:db8:1::/48", "192.168.0.0/24", "pl-1"), 5)
    others = random.sample((*NETWORKS, "10.0.1.128/25", "192.168.0.0/16", "pl-2"), 5)
    table = a_table("rtb-1", static={**dict.fromkeys(others, "pcx-1"), **dict.fromkeys(ours, OLD)})
    rivals = [
        (one.destination, other.destination)
        for one in table.routes
        for other in table.routes
        if (one.target, other.target) == ("pcx-1", OLD)
    ]
    parsed = {text: network(text) for text in (*ours, *others)}
    wanted = sorted(
        f"{one} to pcx-1 overlaps {other}"
        for one, other in rivals
        if (a := parsed[one]) and (b := parsed[other]) and a.prefixlen and b.prefixlen
        if overlap(a, b)
    )

    found = [*other_routes_are_reported(a_survey(route_tables=(table,)), Decisions())]

    assert [each.evidence for each in found] == ([f"rtb-1: {', '.join(wanted)}"] if wanted else [])


class TestRoutesOfATable:
    """What AWS cannot hold in one route table."""

    @pytest.mark.parametrize(("count", "told"), [(99, False), (100, True), (101, True)])
    def test_names_a_table_at_the_limit_of_propagated_routes(self, count: int, told: bool) -> None:
        """With as many propagated routes as AWS allows, others may be propagated afterwards."""
        table = a_table("rtb-1", propagates=OLD, learned=[f"172.16.{n}.0/24" for n in range(count)])

        finding = found(a_survey(route_tables=(table,))).get("VPM-W403")

        assert (finding is not None) is told
        assert finding is None or f"rtb-1 has {count} propagated routes" in finding.evidence

    @pytest.mark.parametrize(("count", "told"), [(1000, False), (1001, True)])
    def test_names_a_table_with_more_routes_than_any_quota_allows(
        self, count: int, told: bool
    ) -> None:
        """The limit is for each family: IPv6 routes do not count with the IPv4 ones."""
        four = {f"172.{16 + n // 256}.{n % 256}.0/24": "nat-1" for n in range(count)}
        table = a_table("rtb-1", static={**four, "2001:db8::/32": "nat-1"})

        finding = found(a_survey(route_tables=(table,))).get("VPM-W402")

        assert (finding is not None) is told
        assert finding is None or "1001 IPv4 routes" in finding.evidence


class TestTunnelOptions:
    """What the successors' tunnels get."""

    @pytest.mark.parametrize(
        ("options", "fault"),
        [
            ({"ike_versions": ("ikev3",)}, "ike_versions: ikev3 is not one of ikev1, ikev2"),
            ({"phase1_dh_groups": (36,)}, "phase1_dh_groups: 36 is not one of"),
            ({"dpd_timeout_seconds": 10}, "dpd_timeout_seconds: 10 is less than 30"),
            ({"replay_window_packets": 4096}, "replay_window_packets: 4096 is more than 2048"),
            ({"phase1_key_exchanges": (KeyExchange(8, (36,)),)}, "rounds 8"),
            ({"phase2_key_exchanges": (KeyExchange(1, (36,), "maybe"),)}, "maybe is not one of"),
            ({"logs": TunnelLogs("arn:x", "xml")}, "xml is not one of json, text"),
            ({"logs": TunnelLogs(bgp_format="json")}, "a format without a log group"),
            (
                {"phase1_lifetime_seconds": 900, "phase2_lifetime_seconds": 900},
                "phase2_lifetime_seconds 900 is not less than",
            ),
            ({"phase2_lifetime_seconds": 900, "rekey_margin_seconds": 451}, "more than half of"),
            (
                {"ike_versions": ("ikev1",), "startup_action": "start"},
                "startup_action start needs ikev2",
            ),
            (
                {
                    "ike_versions": ("ikev1",),
                    "phase1_key_exchanges": (KeyExchange(1, (36,), "required"),),
                },
                "a required additional key exchange needs ikev2",
            ),
        ],
    )
    def test_refuses_options_that_ec2_refuses(self, options: dict[str, Any], fault: str) -> None:
        """Step 3 would fail with them, in the playbook for all or for one tunnel."""
        chosen = TunnelOptions(**options)
        for decisions in (
            Decisions(tunnel_options=chosen),
            Decisions(tunnel_options_of={"192.0.2.1": chosen}),
        ):
            survey = a_survey()
            evidence = [
                finding.evidence
                for finding in check(survey, decisions)
                if finding.code == "VPM-B701"
            ]
            assert any(fault in text for text in evidence), evidence

    def test_accepts_groups_of_post_quantum_key_exchange(self) -> None:
        """Groups 35 to 37 are ML-KEM (domain.md 14.1)."""
        chosen = TunnelOptions(phase1_dh_groups=(35,), phase2_dh_groups=(35, 36, 37))

        assert "VPM-B701" not in found(decisions=Decisions(tunnel_options=chosen))

    def test_refuses_networks_that_are_none(self) -> None:
        """A traffic selector is an IPv4 network without host bits."""
        networks = {VpnConnectionId("vpn-old"): Networks(local="10.1.2.3/16")}

        assert "10.1.2.3/16" in found(decisions=Decisions(networks=networks))["VPM-B701"].evidence

    @pytest.mark.parametrize(
        "decisions",
        [
            Decisions(tunnel_options_of={"vpn-typo": TunnelOptions()}),
            Decisions(networks={VpnConnectionId("vpn-typo"): Networks()}),
        ],
    )
    def test_refuses_options_for_strangers(self, decisions: Decisions) -> None:
        """Options for an unknown connection or tunnel are refused."""
        assert "vpn-old" in found(decisions=decisions)["VPM-B706"].fix

    def test_names_what_is_lost(self) -> None:
        """An old option that AWS's default replaces is named with its value."""
        survey = a_survey(connections=(modern(TunnelOptions(dpd_timeout_action="restart")),))

        lost = found(survey, Decisions(recreate_aws_vpn=True, unset_options=UnsetOptions.AWS))
        kept = found(survey, Decisions(recreate_aws_vpn=True))

        assert "dead peer action restart" in lost["VPM-W107"].evidence
        assert "VPM-W107" not in kept

    def test_names_weak_algorithms(self) -> None:
        """What the new tunnels accept is named if RFC 8247 advises against it."""
        weak = TunnelOptions(phase1_integrity=("SHA1", "SHA2-256"), ike_versions=("ikev2",))
        survey = a_survey(connections=(modern(weak),))

        evidence = found(survey, Decisions(recreate_aws_vpn=True))["VPM-W108"].evidence

        assert "IKE integrity: SHA1;" in evidence
        assert "ikev1" not in evidence
        assert "IPsec DH groups: 2, 5, 22, 23, 24" in evidence
        assert "VPM-W108" not in found(a_survey())

    def test_names_a_device_without_ikev2(self) -> None:
        """The strong default would leave such a device without a tunnel."""
        types = {"default": "Barracuda/NextGen Firewall F-series/6.2+"}
        chosen = TunnelOptions(ike_versions=("ikev2",))

        assert "VPM-W109" in found(decisions=Decisions(device_types=types))
        assert "VPM-W109" not in found(
            decisions=Decisions(device_types=types, tunnel_options=chosen)
        )
        assert "VPM-W109" not in found(
            decisions=Decisions(device_types=types, tunnel_options_of={"vpn-old": chosen})
        )

    def test_names_a_device_without_ikev2_although_others_are_decided(self) -> None:
        """Versions for another connection, or for one tunnel of two, leave ikev1 accepted here."""
        types = {"default": "Barracuda/NextGen Firewall F-series/6.2+"}
        for name in ("vpn-other", "192.0.2.1"):
            chosen = {name: TunnelOptions(ike_versions=("ikev2",))}
            decisions = Decisions(device_types=types, tunnel_options_of=chosen)

            assert "VPM-W109" in found(decisions=decisions)

    def test_names_tunnels_that_aws_initiates(self) -> None:
        """The start-up action is set back by the operator, after the migration."""
        survey = a_survey(connections=(modern(TunnelOptions(startup_action="start")),))

        assert "2 of the tunnels" in found(survey)["VPM-W110"].evidence

    @pytest.mark.parametrize(
        ("key", "why"),
        [
            (KeyVisibility.REDACTED, "Secrets Manager has it"),
            (KeyVisibility.UNFIT, "not beginning with 0"),
            (KeyVisibility.UNKNOWN, "does not show its keys"),
        ],
    )
    def test_refuses_to_reuse_a_key_that_cannot_be_sent(self, key: KeyVisibility, why: str) -> None:
        """EC2 would take the word in its place for the key, or refuse it in step 3."""
        survey = a_survey(connections=(with_tunnels(a_connection(), key=key),))

        assert why in found(survey, Decisions(keys=KeyMode.REUSE))["VPM-B108"].evidence
        assert "VPM-B108" not in found(a_survey(), Decisions(keys=KeyMode.REUSE))

    def test_names_keys_that_leave_secrets_manager(self) -> None:
        """Describe calls would show the new keys."""
        old = with_tunnels(a_connection(), key=KeyVisibility.REDACTED)
        survey = a_survey(connections=(old,))

        assert "VPM-W111" in found(survey, Decisions(key_storage=KeyStorage.STANDARD))
        assert "VPM-W111" not in found(survey)

    def test_names_certificates(self) -> None:
        """The new endpoints have certificates that the devices do not know yet."""
        device = msgspec.structs.replace(a_customer_gateway(), certificate="arn:aws:acm:x")

        assert "vpn-old" in found(a_survey(customer_gateways=(device,)))["VPM-W112"].evidence


def modern(options: TunnelOptions) -> ConnectionRecord:
    """Return an AWS VPN connection with *options* on both tunnels."""
    return with_tunnels(a_connection(category="VPN"), options=options)
