"""Refusals: how each platform's command line answers a command that it does not execute.

A command line has no exit status, so its answer is compared with the beginnings of lines that are
known to be refusals.  Warnings, information and log lines do not count.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Refusal:
    """Answers of one kind."""

    pattern: str
    """Of the beginning of a line, after blanks; upper and lower case are alike."""
    source: str
    """Where such answers are documented, or recognised by others."""


_IOS: Final = "github.com/ansible-collections/cisco.ios: plugins/terminal/ios.py"
_IOS_XE: Final = "github.com/CiscoTestAutomation/unicon.plugins: plugins/iosxe/settings.py"
_ASA: Final = "github.com/ansible-collections/cisco.asa: plugins/terminal/asa.py"
_JUNOS: Final = "github.com/ansible-collections/junipernetworks.junos: plugins/terminal/junos.py"
_VYOS: Final = "github.com/vyos/vyos.vyos: plugins/terminal/vyos.py"
_FORTIOS: Final = "github.com/bruceyu777/autolib_refactor: lib/core/executor/cmd_exec_chker.py"
_NO_LOG: Final = r"(?!%[a-z0-9_-]+-\d-)"
"""A line of IOS's log begins alike: %SYS-5-CONFIG_I, %SPANTREE-SP-6-PORT_STATE."""

_CISCO: Final = (
    Refusal(
        rf"{_NO_LOG}% ?(?:invalid|incomplete|ambiguous|unrecognized|unknown|bad|error)\b", _IOS
    ),
    Refusal(r"(?:command authorization failed|command rejected)", _IOS),
    Refusal(r"bad mask\b", "github.com/napalm-automation/napalm/issues/1846"),
    Refusal(rf"{_NO_LOG}%.*\boverlaps with\b", _IOS_XE),
    Refusal(rf"{_NO_LOG}%.*(?:\bnot (?:allowed|configured|found)|failed|does not exist)", _IOS_XE),
    Refusal(r"% ?specify remote-as or peer-group commands first", _IOS_XE),
    Refusal(
        r"bgp is already running; as is\b",
        "github.com/CiscoTestAutomation/unicon.plugins: plugins/generic/settings.py",
    ),
)
REFUSALS: Final[Mapping[str, Sequence[Refusal]]] = {
    "cisco-ios": _CISCO,
    "cisco-asa": (
        *_CISCO,
        Refusal(r"error:", "github.com/ansible/test-network-modules/pull/13"),
        Refusal(r"removing.*(?:not allowed|failed)", _ASA),
    ),
    "juniper-srx": (
        Refusal(r"(?:unknown command|syntax error)\b", _JUNOS),
        Refusal(r"error:", _JUNOS),
        Refusal(r"missing argument\b", "github.com/codeout/junoser/issues/9"),
        Refusal(
            r"'[^']*' is ambiguous\b", "juniper.net: Using the Junos OS CLI Command Completion"
        ),
        Refusal(r"invalid\b", "no source: seen in configuration mode"),
    ),
    "vyos": (
        Refusal(r"(?:set|delete|commit) failed", _VYOS),
        Refusal(r"invalid command:", _VYOS),
        Refusal(
            r"(?:cannot load:|no such file)",
            "github.com/vyos/vyatta-cfg: functions/interpreter/vyatta-cfg-run",
        ),
        Refusal(
            r"configuration system (?:temporarily )?locked",
            "vyos.dev: Configuration system temporarily locked due to another commit in progress",
        ),
        Refusal(
            r"configuration path: .* is not valid",
            "github.com/vyos/vyos-documentation/pull/1119",
        ),
        Refusal(r"\[\[.*\]\] failed", "github.com/ktbyers/netmiko/pull/777"),
        Refusal(
            r"(?:invalid value|value validation failed|error: .* is not a valid\b)",
            "github.com/napalm-automation-community/napalm-vyos/pull/48",
        ),
    ),
    "fortios": (
        Refusal(
            r"command fail\b", "socpuppet.blogspot.com: Fortinet and understanding return codes"
        ),
        Refusal(r"(?:unknown action|(?:command|value) parse error|incomplete command)", _FORTIOS),
        Refusal(r".*\bnot found in (?:datasource|table)", _FORTIOS),
        Refusal(r"node_check_object fail", _FORTIOS),
        Refusal(r"object (?:set|check) operator error", _FORTIOS),
        Refusal(r"attribute .*must be set", _FORTIOS),
    ),
}
"""Platform to the refusals of its command line."""


def refusal_pattern(platform: str) -> str:
    """Return the pattern of a whole line that refuses a command; it needs ``re.MULTILINE``."""
    kinds = "|".join(refusal.pattern for refusal in REFUSALS[platform])
    return rf"(?i:^[ \t]*(?:{kinds}).*$)"


def refusal_in(platform: str, answer: str) -> str:
    """Return the first line of *answer* that refuses a command; empty if there is none."""
    found = re.search(refusal_pattern(platform), answer, re.MULTILINE)
    return found.group().strip() if found else ""
