"""Running state: whether a running configuration has a connection's tunnels, enabled.

One reader per platform that drivers reach over SSH.  A tunnel is found by its outside address, so
the names that a device gave its objects do not matter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from vpnmigrate.model.device_drivers import TunnelsState

Tunnel = Mapping[str, Any]
"""A tunnel's values, by the names of ``tunnel_values.SOURCES``."""
_VYOS_PEER: Final = r"^set vpn ipsec site-to-site peer (\S+) remote-address '?{address}'? *$"


def tunnels_state(
    platform: str,
    running: str,
    tunnels: Sequence[Tunnel],
    *,
    static: bool = False,
    spare: Collection[str] = (),
) -> TunnelsState:
    """Return the state of *tunnels* in *running*, a configuration of *platform*.

    It is unknown if a tunnel or its BGP neighbour is missing, or if the tunnels differ; *static*
    tunnels have no neighbours, and *spare* is as in ``common_state``.
    """
    state = common_state(_parts(platform, running, tunnels), spare)
    if state is TunnelsState.ABSENT or static:
        return state
    return TunnelsState.UNKNOWN if missing_neighbours(platform, running, tunnels) else state


def common_state(
    parts: Mapping[str, Collection[bool]], spare: Collection[str] = ()
) -> TunnelsState:
    """Return the state of tunnels; *parts* has, for each tunnel, whether each part is enabled.

    A tunnel without parts is absent.  The *spare* ones were disabled before the migration, so the
    others alone make the tunnels enabled.
    """
    if not any(parts.values()):
        return TunnelsState.ABSENT
    if not all(parts.values()):
        return TunnelsState.UNKNOWN
    if all(set(each) == {False} for each in parts.values()):
        return TunnelsState.DISABLED
    used = [set(each) for outside, each in parts.items() if outside not in spare]
    return TunnelsState.ENABLED if all(each == {True} for each in used) else TunnelsState.UNKNOWN


def has_reader(platform: str) -> bool:
    """Return whether the form of a running configuration of *platform* is known."""
    return platform in _READERS


def tunnel_parts(platform: str, running: str, tunnel: Tunnel) -> Sequence[bool]:
    """Return whether each part of *tunnel* in *running* is enabled; nothing if it is absent."""
    return tuple(_READERS[platform](running, tunnel))


def missing_tunnels(platform: str, running: str, tunnels: Sequence[Tunnel]) -> Sequence[str]:
    """Return the outside addresses of the tunnels that *running* lacks, if it has others."""
    return absent_tunnels(_parts(platform, running, tunnels))


def absent_tunnels(parts: Mapping[str, Collection[bool]]) -> Sequence[str]:
    """Return which tunnels have no *parts* (``common_state``); none if all of them are absent."""
    absent = [outside for outside, each in parts.items() if not each]
    return absent if len(absent) < len(parts) else ()


def _parts(
    platform: str, running: str, tunnels: Sequence[Tunnel]
) -> Mapping[str, Collection[bool]]:
    return {str(each["outside"]): tunnel_parts(platform, running, each) for each in tunnels}


def missing_neighbours(platform: str, running: str, tunnels: Sequence[Tunnel]) -> Sequence[str]:
    """Return the inside addresses of AWS's ends that are not BGP neighbours in *running*.

    Only tunnels in *running* count.  Where it accepts a range of neighbours, none is missing.
    """
    neighbour, range_of_them = _NEIGHBOURS[platform]
    if re.search(range_of_them, running, re.MULTILINE):
        return ()
    return [
        str(tunnel["inside"])
        for tunnel in tunnels
        if tunnel_parts(platform, running, tunnel)
        and not re.search(neighbour.format(inside=_inside(tunnel)), running, re.MULTILINE)
    ]


def tunnel_name(platform: str, running: str, tunnel: Tunnel) -> str:
    """Return what *running* calls a tunnel's peer; its outside address where it has no name."""
    outside = str(tunnel["outside"])
    match platform:
        case "vyos":
            names = _all(running, _VYOS_PEER.format(address=re.escape(outside)))
        case "fortios":
            names = [name for name, _ in _gateways(_entries(running), outside)]
        case _:
            names = []
    return names[0] if names else outside


def _cisco(running: str, tunnel: Tunnel) -> Iterator[bool]:
    destination = re.escape(f" tunnel destination {tunnel['outside']}")
    for body in re.findall(r"^interface \S+\n((?: .*\n)*)", f"{running}\n", re.MULTILINE):
        if re.search(rf"^{destination} *$", body, re.MULTILINE):
            yield not re.search(r"^ shutdown *$", body, re.MULTILINE)
            yield from _neighbour(running, rf"^ +neighbor {_inside(tunnel)} ", "shutdown")


def _vyos(running: str, tunnel: Tunnel) -> Iterator[bool]:
    address = re.escape(str(tunnel["outside"]))
    for peer in _all(running, _VYOS_PEER.format(address=address)):
        off = rf"^(set vpn ipsec site-to-site peer {re.escape(peer)} disable) *$"
        yield not _all(running, off)
        begin = rf"^set protocols bgp neighbor '?{_inside(tunnel)}'? "
        yield from _neighbour(running, begin, "shutdown")


def _junos(running: str, tunnel: Tunnel) -> Iterator[bool]:
    address = re.escape(str(tunnel["outside"]))
    gateways = _all(running, rf"^set security ike gateway (\S+) address {address} *$")
    for gateway in map(re.escape, gateways):
        vpns = _all(running, rf"^set security ipsec vpn (\S+) ike gateway {gateway} *$")
        if not vpns:
            yield from (True, False)  # An IKE gateway alone is not a tunnel.
        for vpn in map(re.escape, vpns):
            yield not _all(running, rf"^(deactivate security ipsec vpn {vpn}) *$")
            bound = rf"^set security ipsec vpn {vpn} bind-interface st0\.(\d+) *$"
            for unit in _all(running, bound):
                yield not _all(running, rf"^(set interfaces st0 unit {unit} disable) *$")
        for group in _all(running, rf"^set protocols bgp group (\S+) neighbor {_inside(tunnel)}\b"):
            off = rf"^(deactivate protocols bgp group {re.escape(group)}) *$"
            yield not _all(running, off)


def _fortios(running: str, tunnel: Tunnel) -> Iterator[bool]:
    entries = _entries(running)
    for name in {name for name, _ in _gateways(entries, str(tunnel["outside"]))}:
        yield not _has(entries, name, "set status down")
        if any(entry == tunnel["inside"] for entry, _ in entries):
            yield not _has(entries, str(tunnel["inside"]), "set shutdown enable")


def _entries(running: str) -> list[tuple[str, str]]:
    """Return the name and the settings of each entry of a configuration of FortiOS."""
    form = r'^ *edit "([^"\n]+)" *\n((?:(?! *(?:edit|next|end)\b).*\n)*)'
    return re.findall(form, f"{running}\n", re.MULTILINE)


def _gateways(entries: Sequence[tuple[str, str]], outside: str) -> list[tuple[str, str]]:
    gateway = re.compile(rf"^ *set remote-gw {re.escape(outside)} *$", re.MULTILINE)
    return [(name, body) for name, body in entries if gateway.search(body)]


def _has(entries: Sequence[tuple[str, str]], name: str, line: str) -> bool:
    wanted = re.compile(rf"^ *{line} *$", re.MULTILINE)
    return any(wanted.search(body) for entry, body in entries if entry == name)


def _neighbour(running: str, begin: str, off: str) -> Iterator[bool]:
    """Yield whether the neighbour of the lines that match *begin* is enabled, if there is one."""
    if re.search(begin, running, re.MULTILINE):
        yield not re.search(rf"{begin}{off} *$", running, re.MULTILINE)


def _inside(tunnel: Tunnel) -> str:
    return re.escape(str(tunnel["inside"]))


def _all(running: str, pattern: str) -> list[str]:
    found: list[str] = re.findall(pattern, running, re.MULTILINE)
    return found


_READERS: Final[Mapping[str, Callable[[str, Tunnel], Iterator[bool]]]] = {
    "cisco-ios": _cisco,
    "cisco-asa": _cisco,
    "juniper-srx": _junos,
    "vyos": _vyos,
    "fortios": _fortios,
}
"""Each yields whether a part of a tunnel is enabled, and nothing if the tunnel is absent."""

_CISCO_NEIGHBOUR: Final = (r"^ +neighbor {inside} ", r"^ +bgp listen range ")
_NEIGHBOURS: Final[Mapping[str, tuple[str, str]]] = {
    "cisco-ios": _CISCO_NEIGHBOUR,
    "cisco-asa": _CISCO_NEIGHBOUR,
    "juniper-srx": (
        r"^set (?:.* )?protocols bgp group \S+ neighbor {inside}\b",
        r"^set (?:.* )?protocols bgp group \S+ allow ",
    ),
    "vyos": (
        r"^set (?:.* )?protocols bgp neighbor '?{inside}'? ",
        r"^set (?:.* )?protocols bgp listen range ",
    ),
    "fortios": (r'^ *edit "{inside}" *$', r"^ *config neighbor-range *$"),
}
"""The line of a neighbour, and that of a range of them.  Either may be in a routing instance, a VRF
or a group of configuration."""
