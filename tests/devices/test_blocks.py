"""Blocks of commands for a device."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest

from tests.devices.device_tasks import (
    NEW_ID,
    OLD_ID,
    ROUTING,
    a_task,
    existing_of,
    golden_file,
    options_of,
    pages,
)
from tests.devices.documents import NEW_ENDS, NEW_KEYS, OLD_ENDS, OLD_KEYS, Ends, a_document
from vpnmigrate.devices.blocks import BlockName, DeviceBlocks, device_blocks, revealed
from vpnmigrate.devices.configuration import TUNNEL_PATHS, parse_partial
from vpnmigrate.devices.device_task import DeviceSide
from vpnmigrate.devices.page import changed_lines, page
from vpnmigrate.devices.platforms import PLATFORMS, platform_for, platform_named
from vpnmigrate.devices.tunnel_values import SOURCES, ConnectionOptions, values_of
from vpnmigrate.model.errors import UsageError

ALL = [*itertools.product(PLATFORMS, ROUTING)]
NAMES = [f"{platform.name}-{routing}" for platform, routing in ALL]
every_platform = pytest.mark.parametrize(("platform", "routing"), ALL, ids=NAMES)


def commands(blocks: DeviceBlocks, name: BlockName) -> str:
    return next(block.commands for block in blocks.blocks if block.name is name)


def test_goldens():
    """Each platform's page is as a person has read it (python -m tests.devices.device_tasks)."""
    found = pages()

    assert {file.name: file.read_text("utf-8") for file in found} == {
        file.name: text for file, text in found.items()
    }


@every_platform
def test_no_key_is_shown(platform, routing):
    """The page names where the keys are; the private file has them."""
    shown = page(device_blocks(a_task(routing), platform))
    private = page(device_blocks(a_task(routing), platform, keys=revealed))

    assert [key for key in (*NEW_KEYS, *OLD_KEYS) if key in shown] == []
    assert f"vault/{NEW_ID}/configuration.xml" in shown
    assert [key for key in NEW_KEYS if key not in private] == []
    assert [key for key in OLD_KEYS if key in private] == []


@every_platform
def test_every_block_is_complete(platform, routing):
    """Each block has commands, a signal, checks with what they show, and a time."""
    blocks = device_blocks(a_task(routing), platform).blocks

    assert [block.name for block in blocks] == list(BlockName)
    for block in blocks:
        assert block.commands
        assert block.signal
        assert block.duration
        assert block.after
        assert block.checks
        assert [check for check in block.checks if not check.command or not check.expected] == []


@every_platform
def test_the_values_that_matter_are_used(platform, routing):
    """Every platform configures addresses, identities, keys and proposals of both tunnels."""
    found = device_blocks(a_task(routing), platform)
    blocks = (commands(found, BlockName.LOAD), commands(found, BlockName.ENABLE))
    text = "".join((*blocks, *found.notes, *(file.text for file in found.files)))

    for end in NEW_ENDS:
        assert end.outside in text
        assert f"<key of {end.outside}>" in text
        # RRAS has no inside addresses, which static routing does not need there.
        if (platform.name, routing) != ("windows-rras", "static"):
            assert end.device_inside in text
    if routing == "bgp":
        assert all(end.inside in text for end in NEW_ENDS)
        assert "64512" in text


@every_platform
def test_only_networks_of_ipv4_are_configured(platform, routing):
    """A tunnel of a virtual private gateway carries IPv4: other networks are named, not pasted."""
    both = replace(a_task(routing), vpc=("10.0.0.0/16", "2001:db8:30::/56"))

    found, without = device_blocks(both, platform), device_blocks(a_task(routing), platform)

    assert found.blocks == without.blocks
    assert found.files == without.files
    (named,) = set(found.notes) - set(without.notes)
    assert "2001:db8:30::/56" in named


@every_platform
def test_each_member_is_used_or_listed(platform, routing):
    """Each member of the document and each option is in the commands or among the unused."""
    options = options_of(ReplayWindowSize=1000, StartupAction="add", LaterOption={"A": 1})
    found = device_blocks(a_task(routing, options=options), platform)
    assert found.task.new.configuration is not None
    members = dict(found.task.new.configuration.tunnels[0].members)
    listed = {
        line.partition(": ")[2].partition(" = ")[0]
        for line in found.unused
        if line.startswith(NEW_ENDS[0].outside)
    }
    used = {source for name in _names_in(platform) for source in SOURCES.get(name, ())}

    known = {*members, "StartupAction", "ReplayWindowSize", "LaterOption"}
    assert known - used - listed == set()
    assert {"StartupAction", "LaterOption"} <= listed


def _names_in(platform):
    folder = files("vpnmigrate.devices") / "platforms"
    text = (folder / platform.folder / "commands.j2").read_text("utf-8")
    for shared in re.findall(r'"(shared/[\w.]+)"', text):
        text += (folder / shared).read_text("utf-8")
    return set(re.findall(r"\b(?:t|first)\.(\w+)", text))


def test_each_member_has_a_value():
    """Each member that the reader knows is one of the values of templates."""
    served = {source for sources in SOURCES.values() for source in sources}

    assert set(TUNNEL_PATHS) - served == set()
    tunnel = parse_partial(a_document()).tunnels[0]
    assert set(SOURCES) - set(values_of(tunnel, ConnectionOptions(), "")) == set()


@pytest.mark.parametrize(
    ("platform", "loaded", "removed"),
    [
        ("fortios", r"edit (\d+)\n +set dst (\S+ \S+)\n +set device (\S+)", r"delete (\d+)"),
        (
            "paloalto",
            r"static-route (\S+) destination (\S+) interface (\S+)",
            r"static-route (\S+)$",
        ),
    ],
)
def test_each_network_has_its_own_routes(platform, loaded, removed):
    """A VPC of several networks has a static route per network and tunnel, and loses each."""
    networks = ("10.0.0.0/16", "10.1.0.0/16", "10.2.0.0/16")
    found = device_blocks(replace(a_task("static"), vpc=networks), platform_named(platform))

    routes = re.findall(loaded, commands(found, BlockName.LOAD))
    assert len({name for name, _, _ in routes}) == len(routes) == 6
    assert len({(network, tunnel) for _, network, tunnel in routes}) == 6
    assert [name for name, _, _ in routes] == re.findall(
        removed, commands(found, BlockName.REMOVE_NEW), re.MULTILINE
    )


class TestProposals:
    """Which algorithms are configured."""

    def values(self, **options):
        task = a_task(options=options_of(**options))
        assert task.new.configuration is not None
        return values_of(task.new.configuration.tunnels[0], task.new.options, "")

    def test_defaults_of_aws(self):
        """Without options AWS accepts everything: IKEv2, AES-256, SHA-2 and group 14 are taken."""
        values = self.values()

        assert values["ike_version"] == 2
        assert (values["ike_encryption"], values["ike_integrity"]) == ("aes256", "sha256")
        assert (values["esp_encryption"], values["esp_group"]) == ("aes256", 14)

    def test_options(self):
        """Of the options, the strongest that devices know is taken, per phase."""
        values = self.values(
            IkeVersions=[{"Value": "ikev1"}],
            Phase1EncryptionAlgorithms=[{"Value": "AES128"}, {"Value": "AES256"}],
            Phase1IntegrityAlgorithms=[{"Value": "SHA1"}, {"Value": "SHA2-512"}],
            Phase1DHGroupNumbers=[{"Value": 2}, {"Value": 20}],
            Phase2EncryptionAlgorithms=[{"Value": "AES256-GCM-16"}],
            Phase2LifetimeSeconds=1800,
            DpdTimeoutSeconds=45,
        )

        assert values["ike_version"] == 1
        assert (values["ike_encryption"], values["ike_integrity"]) == ("aes256", "sha512")
        assert (values["ike_group"], values["esp_group"]) == (20, 14)
        assert values["esp_encryption"] == "aes256gcm16"
        assert (values["esp_lifetime"], values["esp_rekey"]) == (1800, 1620)
        assert values["dpd_timeout"] == 45

    def test_classic(self):
        """A Classic connection has no options: its document has what AWS accepts."""
        values = values_of(
            parse_partial(a_document()).tunnels[0], ConnectionOptions("VPN-Classic"), ""
        )

        assert (values["ike_version"], values["ike_encryption"]) == (1, "aes128")
        assert (values["ike_integrity"], values["ike_group"]) == ("sha1", 2)

    def test_a_word_that_the_platform_lacks(self):
        """An algorithm without a word of the platform is a placeholder with a note."""
        options = options_of(Phase1DHGroupNumbers=[{"Value": 36}])
        found = device_blocks(a_task(options=options), platform_named("strongswan-bird"))

        assert "<IKE group 36>" in found.placeholders
        assert any("IKE group 36" in note for note in found.notes)


class TestRunningConfiguration:
    """``--existing``."""

    RUNNING = "\n".join(
        [
            "connections {",
            "  headoffice {",
            f"    remote_addrs = {OLD_ENDS[0].outside}",
            "    if_id_in = 4211",
            "  }",
            "}",
            "secrets {",
            f"  ike {{ id = {OLD_ENDS[0].outside} secret = {OLD_KEYS[0]} }}",
            "}",
            f"aws-aaaaaaa1-2 {NEW_ENDS[1].device_inside} 7224",
        ]
    )

    @pytest.fixture
    def found(self):
        return device_blocks(a_task(existing=self.RUNNING), platform_named("strongswan-bird"))

    def test_new_names_are_free(self, found):
        """Names and numbers of the device are not given again."""
        load = commands(found, BlockName.LOAD)

        assert "if_id 4211" not in load
        assert "if_id 4212" in load
        assert "ip link add aws-aaaaaaa1-2 " not in load
        assert "ip link add aws-aaaaaaa1-2x2 " in load

    def test_old_names_are_found(self, found):
        """The old tunnel is disabled under the name that it has on the device."""
        enable = commands(found, BlockName.ENABLE)

        assert "swanctl --terminate --ike headoffice" in enable
        assert found.placeholders == (f"<BIRD file of the old tunnel to {OLD_ENDS[0].outside}>",)

    def test_an_old_tunnel_that_it_lacks_is_left_out(self, found):
        """It is in no command and no check; a device that has neither may have other names."""
        task = a_task(existing="connections {}")
        neither = device_blocks(task, platform_named("strongswan-bird"))

        shown = [block.commands + str(block.checks) for block in found.blocks]
        assert not any(OLD_ENDS[1].outside in each or OLD_ENDS[1].inside in each for each in shown)
        assert all(end.outside in commands(neither, BlockName.BACK_OUT) for end in OLD_ENDS)

    def test_conflicts_are_named(self, found):
        """A taken address, rules for old addresses and the old ASN are named by line."""
        notes = "\n".join(found.notes)

        assert f"already has {NEW_ENDS[1].device_inside}, in line 10" in notes
        assert f"Rules for {OLD_ENDS[0].outside}, in line 3, 8" in notes
        assert f"no old tunnel to {OLD_ENDS[1].outside}: the commands leave it out" in notes
        assert "The old ASN 7224 is named, in line 10" in notes

    def test_a_key_in_it_is_not_shown(self, found):
        """A running configuration has keys; only line numbers are taken from it."""
        assert OLD_KEYS[0] not in page(found)


class TestNotes:
    """What an engineer has to know before the commands."""

    def test_same_inside_network(self):
        """The old tunnels are disabled first where an address would be on two tunnels."""
        ends = tuple(
            Ends(new.outside, old.inside, new.key)
            for new, old in zip(NEW_ENDS, OLD_ENDS, strict=True)
        )
        found = device_blocks(a_task(ends=ends), platform_named("generic"))
        enable = commands(found, BlockName.ENABLE)

        assert enable.index("Shut down") < enable.index("Enable")
        assert any("share inside addresses" in note for note in found.notes)
        other = commands(device_blocks(a_task(), platform_named("generic")), BlockName.ENABLE)
        assert other.index("Enable") < other.index("Shut down")

    @pytest.mark.parametrize("swapped", [False, True])
    def test_least_change(self, swapped):
        """With inside addresses kept, and the same algorithms, peers and the ASN alone change."""
        inside = OLD_ENDS[::-1] if swapped else OLD_ENDS
        ends = tuple(
            Ends(new.outside, old.inside, old.key)
            for new, old in zip(NEW_ENDS, inside, strict=True)
        )
        names = {"Phase1": "AES128", "Phase2": "AES128"}
        options = options_of(
            ends,
            IkeVersions=[{"Value": "ikev1"}],
            **{f"{n}EncryptionAlgorithms": [{"Value": v}] for n, v in names.items()},
            **{f"{n}IntegrityAlgorithms": [{"Value": "SHA1"}] for n in names},
            **{f"{n}DHGroupNumbers": [{"Value": 2}] for n in names},
        )
        found = device_blocks(a_task(ends=ends, options=options), platform_named("vyos"))

        lines = list(changed_lines(found))
        peers = {end.outside for end in (*OLD_ENDS, *NEW_ENDS)}
        assert [
            line for line in lines if not (_words_of(line) & peers or "remote-as" in line)
        ] == []
        assert {"+64512", "-7224"} <= {line[0] + line.split()[-1] for line in lines}
        assert "line by line" in page(found)
        assert list(changed_lines(device_blocks(a_task(), platform_named("vyos")))) == []

    def test_one_tunnel(self):
        """A configuration with one tunnel gives commands for one, and says so."""
        found = device_blocks(a_task(ends=NEW_ENDS[:1]), platform_named("strongswan-bird"))

        assert NEW_ENDS[0].outside in commands(found, BlockName.LOAD)
        assert NEW_ENDS[1].outside not in commands(found, BlockName.LOAD)
        assert any("only one tunnel" in note for note in found.notes)

    def test_an_old_tunnel_that_is_shut(self):
        """Back out leaves it shut; what disables and removes the old tunnels includes it."""
        shut = "".join(
            f"interface Tunnel{n}\n{' shutdown' if n else ' no ip redirects'}\n"
            f" tunnel destination {end.outside}\n"
            for n, end in enumerate(OLD_ENDS)
        )
        found = device_blocks(a_task(existing=shut), platform_named("cisco-ios"))
        whole = {name: commands(found, name) for name in BlockName}

        assert "Tunnel0" in whole[BlockName.BACK_OUT]
        assert "interface Tunnel1\n" not in whole[BlockName.BACK_OUT]
        assert "interface Tunnel1\n shutdown" in whole[BlockName.ENABLE]
        assert "no interface Tunnel1\n" in whole[BlockName.REMOVE_OLD]
        assert any(f"tunnel to {OLD_ENDS[1].outside} is disabled" in n for n in found.notes)

    def test_before_step_4(self):
        """A plan has no new connection yet: its commands are a draft with placeholders."""
        task = replace(a_task(), new=DeviceSide(""))
        found = device_blocks(task, platform_named("strongswan-bird"))

        assert "<outside of new tunnel 1>" in found.placeholders
        assert any("draft" in note for note in found.notes)
        assert OLD_ENDS[0].outside in commands(found, BlockName.ENABLE)

    @pytest.mark.parametrize("platform", PLATFORMS, ids=[each.name for each in PLATFORMS])
    def test_a_draft_has_one_note_about_its_placeholders(self, platform):
        """A value that is not known yet is no word that the platform lacks, and none is listed."""
        found = device_blocks(replace(a_task(), new=DeviceSide("")), platform)

        assert [note for note in found.notes if "no word of this platform" in note] == []
        assert re.findall("<(?:IKE|ESP) [^<>]*<", commands(found, BlockName.LOAD)) == []
        assert "Replace each of these" not in page(found)

    def test_unknown_members(self):
        """Members that the program does not know are listed."""
        text = a_document(NEW_ENDS).replace("<ike>", "<ike><ike_version>2</ike_version>")
        task = replace(a_task(), new=DeviceSide(NEW_ID, parse_partial(text), options_of()))

        found = device_blocks(task, platform_named("generic"))
        assert any("ipsec_tunnel/ike/ike_version" in note for note in found.notes)

    @pytest.mark.parametrize("name", [platform.name for platform in PLATFORMS])
    def test_old_tunnels_that_the_plan_leaves_enabled(self, name):
        """Block 2 does not touch them, and neither checks nor message say that they are down."""
        found = device_blocks(replace(a_task(), leaves_old=True), platform_named(name))
        usual = device_blocks(a_task(), platform_named(name))

        (block,) = (each for each in found.blocks if each.name is BlockName.ENABLE)
        (both,) = (each for each in usual.blocks if each.name is BlockName.ENABLE)
        assert block.commands == found.enable_new != both.commands
        assert len(block.commands) < len(both.commands)
        assert set(block.checks) < set(both.checks)
        assert "the old ones left as they are" in block.message
        assert "the plan leaves the old ones enabled" in page(found)
        assert commands(found, BlockName.BACK_OUT) == commands(usual, BlockName.BACK_OUT)

    def test_a_shared_inside_address_is_disabled_even_then(self):
        """A device cannot have one address on two enabled tunnels."""
        ends = tuple(
            replace(new, inside=old.inside) for new, old in zip(NEW_ENDS, OLD_ENDS, strict=True)
        )
        task = replace(a_task(ends=ends), leaves_old=True)

        found = device_blocks(task, platform_named("vyos"))
        assert found.swaps_addresses
        (block,) = (each for each in found.blocks if each.name is BlockName.ENABLE)
        assert "the old ones disabled" in block.message

    def test_no_key(self):
        """A tunnel without a key is said to have none, and where a withheld one is."""
        ends = tuple(replace(end, key="") for end in NEW_ENDS)
        arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:s2svpn"
        task = a_task(ends=ends)
        elsewhere = replace(task, new=replace(task.new, key_place=arn))

        notes = device_blocks(task, platform_named("generic")).notes
        assert any("AWS withholds it, or the connection has certificates" in n for n in notes)
        assert any(arn in n for n in device_blocks(elsewhere, platform_named("generic")).notes)


class TestTemplates:
    """A user's own templates."""

    MACROS = ("load", "enable", "disable", "remove", "up", "down", "absent")

    def rendered(self, **bodies: str) -> DeviceBlocks:
        """Render a template whose macros have *bodies*."""
        text = "".join(
            f"{{% macro {name}(s) %}}{bodies.get(name, name)}{{% endmacro %}}"
            for name in self.MACROS
        )
        return device_blocks(a_task(), platform_named("generic"), {"generic/commands.j2": text}.get)

    def test_they_take_precedence(self):
        """A template in the user's folder replaces the program's."""
        found = self.rendered(load="own {{ s.first.outside }}")

        assert commands(found, BlockName.LOAD) == f"own {NEW_ENDS[0].outside}"

    def test_a_new_platform(self):
        """A folder that the program does not know is a platform of the user's."""
        assert platform_named("acme", {"acme/commands.j2": ""}.get).title == "acme"
        with pytest.raises(UsageError, match="is not a platform"):
            platform_named("acme")

    @pytest.mark.parametrize(
        ("body", "why"),
        [
            ("{{ s.first.nonsense }}", "nonsense"),
            ("{% if s %}", "endmacro"),
            ("{{ ''.__class__.__mro__ }}", "unsafe"),
            ("{{ s.first._values }}", "unsafe"),
            ("{% include 'elsewhere.j2' %}", "no template elsewhere.j2"),
        ],
    )
    def test_an_invalid_one_is_refused(self, body, why):
        """An invalid template is a usage error, and reaches nothing of the program's inside."""
        with pytest.raises(UsageError, match=why):
            self.rendered(load=body)

    def test_a_missing_macro_is_refused(self):
        """A template without one of the macros is refused by its name."""
        with pytest.raises(UsageError, match="no macro enable"):
            device_blocks(a_task(), platform_named("generic"), {"generic/commands.j2": ""}.get)


AWS_TYPES = {
    "Cisco Systems, Inc./ISR Series Routers/IOS 12.4+": "cisco-ios",
    "Cisco Systems, Inc./CSRv AMI/IOS 12.4+": "cisco-ios",
    "Cisco Systems, Inc./ASA 5500 Series/ASA 9.7+ VTI": "cisco-asa",
    "Cisco Systems, Inc./ASA 5500 Series/ASA 8.2+": "generic",
    "Juniper Networks, Inc./SRX Routers/JunOS 11.0+": "juniper-srx",
    "Juniper Networks, Inc./SSG and ISG Series Routers/ScreenOS 6.1": "generic",
    "Palo Alto Networks/PA Series/PANOS 7.0+": "paloalto",
    "Fortinet/Fortigate 40+ Series/FortiOS 5.0+": "fortios",
    "MikroTik/RouterOS/6.44.3": "mikrotik",
    "pfSense/pfSense/pfsense 2.2.5+ (GUI)": "pfsense",
    "Microsoft/Windows Server/2008 R2": "windows-rras",
    "Openswan/Openswan/2.6.38+": "libreswan",
    "Check Point/Gaia/R80.10+": "generic",
}


def test_aws_device_types_lead_to_platforms():
    """The playbook's device type chooses the platform; another one gets the generic sheet."""
    assert platform_for("strongSwan/Ubuntu 16.04/strongSwan 5.5.1+").name == "strongswan-bird"
    for name, expected in AWS_TYPES.items():
        assert platform_for(name).name == expected
    assert platform_for("Yamaha/RTX Routers/Rev.10.01.16+").name == "generic"
    assert platform_for(None).name == "generic"


def test_options_are_kept_without_keys():
    """What is archived of a connection's options has no key, and is read back as it was."""
    options = options_of(StartupAction="add")

    text = json.dumps(options.as_row())
    assert not any(key in text for key in NEW_KEYS)
    assert ConnectionOptions.of(json.loads(text)) == options
    assert golden_file(PLATFORMS[0], "bgp").is_file()
    assert OLD_ID != NEW_ID


def _words_of(line):
    return set(re.findall(r"[\d.]+", line))


def test_the_page_of_templates_lists_every_value():
    """A user's template may use what the page lists, and the page lists all there is."""
    text = (Path(__file__).parents[2] / "docs" / "how-to" / "devices.md").read_text("utf-8")
    values = values_of(parse_partial(a_document()).tunnels[0], ConnectionOptions(), "")

    assert set(re.findall(r"`t\.(\w+)`", text)) == {*values, "number"}


@every_platform
def test_a_placeholder_is_never_taken_for_a_key(platform, routing):
    """A key's placeholder is not quoted, so a parser refuses it; a key needs no quotes."""
    text = "".join(b.commands for b in device_blocks(a_task(routing), platform).blocks)

    assert re.findall(r"[\"'`]<key of [^>]*>", text) == []


@pytest.mark.parametrize("name", ["mikrotik", "mikrotik-7"])
def test_routeros_refuses_a_placeholder(name):
    """In quotes it would be a name that nothing has, and the command would do nothing."""
    text = "".join(b.commands for b in device_blocks(a_task(), platform_named(name)).blocks)

    assert "<peer of the old tunnel" in text
    assert re.findall(r'"<[^>]*>"', text) == []


def test_bgp_of_routeros_7():
    """Its menu is another one, the old connection is found in an export, and no old command is."""
    platform = platform_named("mikrotik-7")
    blocks = device_blocks(a_task(existing=existing_of(platform, "bgp")), platform)
    text = "\n".join(block.commands for block in blocks.blocks)

    assert "/routing bgp peer" not in text
    assert 'connection set [find name="to-aws-one"] disabled=yes' in text
    assert 'connection set [find name="to-aws-two"] disabled=no' in text
    assert [name for name in blocks.placeholders if "instance=NAME" in name] != []
