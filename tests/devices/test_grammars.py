"""The vendors' own grammars accept the commands rendered for VyOS and for SRX devices."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
from hier_config import Platform as Vendor
from hier_config import WorkflowRemediation, get_hconfig

from tests.devices.device_tasks import (
    ROUTING,
    a_task,
    certificate_task,
    existing_of,
    options_of,
)
from tests.devices.grammar import junos, vyos
from tests.devices.grammar.tree import Grammar, Subtrees, Word, extract
from vpnmigrate.devices.blocks import BlockName, device_blocks, revealed
from vpnmigrate.devices.device_task import DeviceTask
from vpnmigrate.devices.platforms import platform_named
from vpnmigrate.model.tunnel_options import OPTIONS, OptionKind

EXTRACTS = Path(__file__).parent / "grammar"
VERBS = {"vyos": ("delete",), "juniper-srx": ("delete", "activate", "deactivate")}
GRAMMARS = {
    "vyos": Grammar.of(EXTRACTS / "vyos.txt", verbs=VERBS["vyos"], several=False),
    "juniper-srx": Grammar.of(EXTRACTS / "junos-srx.txt", verbs=VERBS["juniper-srx"], several=True),
}
OTHER = {
    "vyos": {"configure", "compare", "commit-confirm 10"},
    "juniper-srx": {"configure", "show | compare", "commit check", "commit confirmed 10"},
}
"""Commands of the configuration mode that are not about the configuration."""
GROUP = r"<(?:IKE|ESP) group (\d+)>"
"""What stands for a group that the template has no word for."""
OPPOSITES = {
    "set": "delete",
    "delete": "set",
    "activate": "deactivate",
    "deactivate": "activate",
}


def stand_ins(name: str) -> dict[str, str]:
    """Return patterns of placeholders, each with what an engineer writes for it."""
    return {
        GROUP: r"\1" if name == "vyos" else r"group\1",
        r"<outside interface[^>]*>": "ge-0/0/0.0",
        r"<vti [^>]*>": "vti0",
        r"<st0[^>]*>": "7",
        r"<[^>]*>": "name",
    }


def commands_of(name: str, commands: str) -> list[str]:
    """Return the commands of a block that are about the configuration."""
    lines = [each for each in commands.splitlines() if each and not each.startswith("#")]
    return [each for each in lines if each not in OTHER[name]]


def refused(name: str, task: DeviceTask) -> dict[str, str]:
    """Return each command of the blocks that the grammar refuses, with the reason.

    A group that has no word in the template is to have none in the grammar.
    """
    found = {}
    for block in device_blocks(task, platform_named(name), keys=revealed).blocks:
        for command in commands_of(name, block.commands):
            line = command
            for placeholder, word in stand_ins(name).items():
                line = re.sub(placeholder, word, line)
            why = GRAMMARS[name].refusal(line)
            if re.search(GROUP, command):
                if why is None:
                    found[command] = "the grammar has a word for this group"
            elif why:
                found[command] = why
    return found


def blocks_of(name: str, routing: str) -> dict[BlockName, list[str]]:
    """Return the commands of each block for a device that has old tunnels."""
    platform = platform_named(name)
    task = a_task(routing, existing=existing_of(platform, routing))
    return {
        block.name: commands_of(name, block.commands)
        for block in device_blocks(task, platform, keys=revealed).blocks
    }


def tunnel_options() -> Iterator[dict[str, Any]]:
    """Yield tunnel options that have, together, each value of EC2."""
    values: dict[str, list[Any]] = {
        option.described: [[{"Value": value}] for value in option.allowed]
        if option.kind is OptionKind.LIST
        else [*option.allowed, *(n for n in (option.least, option.most) if n is not None)]
        for option in OPTIONS
    }
    for row in zip_longest(*values.values()):
        yield {name: value for name, value in zip(values, row, strict=True) if value is not None}


@pytest.mark.parametrize("routing", ROUTING)
@pytest.mark.parametrize("name", GRAMMARS)
class TestCommands:
    """Every command of the five blocks."""

    def test_each_is_known(self, name, routing):
        """The grammar has its words and values, with and without a running configuration."""
        running = existing_of(platform_named(name), routing)
        for existing in {"", running}:
            assert refused(name, a_task(routing, existing=existing)) == {}
        for line in running.splitlines():
            assert GRAMMARS[name].refusal(line) is None, line

    @pytest.mark.parametrize("version", ["ikev1", "ikev2"])
    def test_each_value_of_ec2_is_known(self, name, routing, version):
        """Each algorithm and limit of a tunnel option has a word, or the vendor has none."""
        for options in tunnel_options():
            given = {**options, "IkeVersions": [{"Value": version}]}
            assert refused(name, a_task(routing, options=options_of(**given))) == {}, options

    def test_certificates_are_known(self, name, routing):
        """Every command of a connection that authenticates with certificates, in both versions."""
        for version in ("ikev1", "ikev2"):
            options = options_of(IkeVersions=[{"Value": version}])
            task = certificate_task(routing)
            task = replace(task, new=replace(task.new, options=options))
            assert refused(name, task) == {}, version

    def test_back_out_is_the_opposite_of_enable(self, name, routing):
        """Each command of block 2 has its opposite in block 3, which has no others."""
        blocks = blocks_of(name, routing)

        opposites = {
            f"{OPPOSITES[verb]} {path}"
            for verb, _, path in (each.partition(" ") for each in blocks[BlockName.ENABLE])
        }
        assert opposites == set(blocks[BlockName.BACK_OUT])
        assert len(opposites) >= 4

    def test_load_is_its_remediation_and_remove_its_rollback(self, name, routing):
        """Block 5 deletes all that block 1 sets, except what old tunnels use, and nothing else."""
        running = existing_of(platform_named(name), routing)
        blocks = blocks_of(name, routing)
        load = [each for each in blocks[BlockName.LOAD] if each.startswith("set ")]
        before = get_hconfig(VENDORS[name], running)
        loaded = before.future(get_hconfig(VENDORS[name], "\n".join(load)))
        flow = WorkflowRemediation(before, loaded)

        needed = [each.cisco_style_text() for each in flow.remediation_config.all_children_sorted()]
        assert needed == list(dict.fromkeys(load))
        undone = [each.cisco_style_text() for each in flow.rollback_config.all_children_sorted()]
        removed = blocks[BlockName.REMOVE_NEW]
        kept = [each for each in undone if not covers(removed, each)]
        assert [each for each in kept if not re.search(USED_BY_OLD, each)] == []
        assert [each for each in removed if not any(covers([each], line) for line in undone)] == []


def covers(removed: list[str], command: str) -> bool:
    """Return whether a command of *removed* deletes what *command* deletes."""
    return any(f"{command} ".startswith(f"{each} ") for each in removed)


VENDORS = {"vyos": Vendor.VYOS, "juniper-srx": Vendor.JUNIPER_JUNOS}
USED_BY_OLD = r"^delete (protocols bgp system-as|security zones security-zone <outside zone>) "
"""What block 1 sets again although the old tunnels need it."""


@pytest.mark.parametrize(
    ("name", "accepted", "refused"),
    [
        ("vyos", "set vpn ipsec esp-group a pfs dh-group14", "set vpn ipsec esp-group a pfs 14"),
        (
            "vyos",
            "set vpn ipsec ike-group a proposal 1 hash sha384",
            "set vpn ipsec ike-group a proposal 1 hash sha-384",
        ),
        ("vyos", "set interfaces vti vti1 mtu 1436", "set interfaces vti vti1 mtu 60"),
        ("vyos", "set interfaces vti vti1 ip adjust-mss 1379", "set interfaces vti vti1 ip mss 1"),
        ("vyos", "set interfaces vti vti1 disable", "set interfaces tun vti1 disable"),
        ("vyos", "set interfaces vti vti1", "set interfaces vti"),
        ("vyos", "delete interfaces vti vti1", "deactivate interfaces vti vti1"),
        (
            "vyos",
            "set policy prefix-list a rule 1 prefix 10.0.0.0/16",
            "set policy prefix-list a rule 1 prefix 10.0.0.1/16",
        ),
        ("vyos", "set interfaces vti vti1 mtu 1436", "set interfaces vti vti1 mtu 1436 disable"),
        ("vyos", "delete policy prefix-list a", "delete policy route-map a rule 1"),
        (
            "juniper-srx",
            "set security ipsec proposal a authentication-algorithm hmac-sha-256-128",
            "set security ipsec proposal a authentication-algorithm hmac-sha256-128",
        ),
        (
            "juniper-srx",
            "set security ike proposal a lifetime-seconds 28800",
            "set security ike proposal a lifetime-seconds 90000",
        ),
        (
            "juniper-srx",
            "set protocols bgp group a local-as 65000",
            "set protocols bgp group a my-as 65000",
        ),
        (
            "juniper-srx",
            "set security ike gateway a dead-peer-detection interval 10 threshold 3",
            "set security ike gateway a dead-peer-detection interval 10 retries 3",
        ),
        (
            "juniper-srx",
            "set policy-options policy-statement a from route-filter 10.0.0.0/16 orlonger",
            "set policy-options policy-statement a from route-filter 10.0.0.0/16 or-longer",
        ),
        ("juniper-srx", "set security ipsec vpn a", "set security ipsec vpn a ike"),
        ("juniper-srx", "activate security ipsec vpn a", "enable security ipsec vpn a"),
        (
            "juniper-srx",
            "set security ipsec vpn a bind-interface st0.1",
            "set security ipsec vpn a bind-interface st0",
        ),
    ],
)
def test_the_grammar_refuses(name, accepted, refused):
    """A misspelt word, a wrong value and a word too few or too many are found."""
    assert GRAMMARS[name].refusal(accepted) is None
    assert GRAMMARS[name].refusal(refused) is not None


class TestExtracts:
    """What is taken from a vendor's source."""

    def test_of_vyos(self, tmp_path):
        """Included files, words that are defined twice, lists and constraints are read."""
        (tmp_path / "include").mkdir()
        (tmp_path / "include/mtu.xml.i").write_text(VYOS_INCLUDED)
        for name in vyos.FILES:
            (tmp_path / f"{name}.xml.in").write_text("<interfaceDefinition/>")
        (tmp_path / "interfaces_vti.xml.in").write_text(VYOS_SOURCE)

        root = vyos.tree(tmp_path)
        assert extract(root, Subtrees({"interfaces vti": 1}), "From\nhere") == (
            "# From\n# here\n"
            "interfaces -\n"
            " vti <@text~^(vti[0-9]+)$> -\n"
            "  mtu: 68..16000\n"
            "  mode: tunnel transport\n"
            "  disable -\n"
            "  ip - ...\n"
            " tun -\n"
        )

    def test_of_junos(self):
        """Groupings, choices, values without a word, and values of groups are read."""
        root, subtrees = Word(""), Subtrees({"security ike": 3})
        junos.Module(JUNOS_SOURCE).add_to(root, subtrees)

        assert extract(root, subtrees, "") == (
            "security\n"
            " ike\n"
            "  gateway <@text{1..32}> -\n"
            "   version: v1-only v2-only\n"
            "   interval: 2..60\n"
            "   inet\n"
            "    *: @ipv4addr\n"
            "  filter <@ipprefix>\n"
            "   exact -\n"
            "   upto: @text\n"
            " flow - ...\n"
        )


VYOS_INCLUDED = """\
<leafNode name="mtu"><properties><constraint>
  <validator name="numeric" argument="--range 68-16000"/>
</constraint></properties></leafNode>
"""
VYOS_SOURCE = """\
<interfaceDefinition><node name="interfaces"><children>
  <tagNode name="vti">
    <properties><constraint><regex>vti[0-9]+</regex></constraint></properties>
    <children>
      #include <include/mtu.xml.i>
      <leafNode name="mtu"><defaultValue>1500</defaultValue></leafNode>
      <leafNode name="mode"><properties>
        <constraint><regex>(tunnel|transport)</regex></constraint>
      </properties></leafNode>
      <leafNode name="disable"><properties><valueless/></properties></leafNode>
      <node name="ip"><children>
        <leafNode name="adjust-mss"/>
      </children></node>
    </children>
  </tagNode>
  <node name="tun"/>
</children></node></interfaceDefinition>
"""
JUNOS_SOURCE = r"""
/* A comment { with a brace. */
module example {
  augment /jc:configuration { uses security-group; }
  augment /jc:configuration/jc:groups { uses security-group; }
  grouping security-group {
    container security {
      uses apply-advanced;
      container ike { uses ike; }
      container flow { presence "enable flow"; leaf age { type uint8; } }
    }
  }
  grouping ike {
    list gateway {
      key name;
      leaf name {
        junos:cli-feature "nokeyword";
        type string { length "1 .. 32"; }
      }
      choice which {
        case one { leaf version { type enumeration { enum "v1-only"; enum "v2-only"; } } }
        case two {
          leaf interval {
            description "The \"interval\"";
            type union {
              type string { pattern "<.*>|$.*"; }
              type uint32 { range "2 .. 60"; }
            }
          }
        }
      }
      container inet { leaf name { junos:cli-feature "nokeyword"; type jt:ipv4addr; } }
    }
    list filter {
      key "address choice-ident choice-value";
      leaf address { junos:cli-feature "nokeyword"; type jt:ipprefix; }
      leaf choice-ident { type enumeration { enum "exact"; enum "upto"; } }
      leaf choice-value { type string; }
    }
  }
}
"""
