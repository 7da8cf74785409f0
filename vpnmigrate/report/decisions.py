"""What a plan decided, in the words of a change board."""

from __future__ import annotations

from collections.abc import Iterator

from vpnmigrate.commands import Advice, Command
from vpnmigrate.model.clock import moment, span
from vpnmigrate.model.decisions import (
    BackOut,
    Decisions,
    DirectConnect,
    InsideMode,
    KeyMode,
    OldTunnels,
    TunnelOptions,
    TunnelPolicy,
)
from vpnmigrate.report.words import columns

_KEYS = {
    KeyMode.NEW: "AWS makes new pre-shared keys; every device needs them",
    KeyMode.REUSE: "the old tunnels' pre-shared keys are used again",
    KeyMode.SECRETS_MANAGER: "AWS makes new pre-shared keys and keeps them in Secrets Manager",
}
_INSIDE = {
    InsideMode.AMAZON: "AWS chooses them",
    InsideMode.KEEP: "those of the old tunnels, which must be shut before the new ones open",
    InsideMode.LISTED: "listed by the playbook",
}
_OLD_TUNNELS = {
    OldTunnels.DISABLE: "disabled on the devices once the new ones carry traffic",
    OldTunnels.LEAVE: "left enabled until finalize",
}
_TUNNELS = {
    TunnelPolicy.AS_BEFORE: "as many of each connection as before, and at least one",
    TunnelPolicy.AT_LEAST_ONE: "one of each connection; fewer than before is told as degraded",
}
_BACK_OUT = {
    BackOut.ASK: "stop and ask; nothing is rolled back unasked",
    BackOut.ROLL_BACK: "roll back without asking",
}


def text(decisions: Decisions) -> str:
    """Give every decision on a line of its own."""
    return columns(_rows(decisions))


def _rows(decisions: Decisions) -> Iterator[tuple[str, Advice]]:
    if decisions.change:
        yield "change", decisions.change
    asn = decisions.asn
    yield "Amazon-side ASN", "64512, AWS's default" if asn is None else str(asn)
    yield "pre-shared keys", _KEYS[decisions.keys]
    yield "inside addresses", _INSIDE[decisions.inside]
    for connection, cidrs in sorted(decisions.inside_cidrs.items()):
        yield "", f"{connection}: {', '.join(cidrs)}"
    for gateway, device in sorted(decisions.device_types.items()):
        yield "device sample", f"{device} for {gateway}"
    options = ", ".join(_options(decisions.tunnel_options))
    yield "tunnel options", options or "AWS's defaults"
    test = decisions.test_vpc
    if test is None:
        yield "test VPC (step 6)", "none"
    elif test.command:
        yield "test VPC (step 6)", (f"{test.cidr}, judged by:", Command(tuple(test.command)))
    else:
        yield "test VPC (step 6)", f"{test.cidr}, judged by a person"
    yield "old tunnels", _OLD_TUNNELS[decisions.old_tunnels]
    yield "if the cutover fails", _BACK_OUT[decisions.back_out]
    window = decisions.window
    if window is None:
        yield "change window", "none: the cutover may begin at any time"
    else:
        yield "change window", window.written
        yield "", f"{moment(window.start)} to {moment(window.end)}, for the cutover"
        yield "", f"its last {span(decisions.waits.margin)} are kept free"
    yield from _people(decisions)
    waits = decisions.waits
    green = decisions.verification
    often = f"{span(waits.steady)} and {green.readings} readings in a row"
    yield "wait for tunnels", f"{span(waits.tunnels)}, then steady for {often}"
    yield "tunnels asked for", _TUNNELS[green.tunnels]
    if waits.soak:
        yield "soak", f"{span(waits.soak)} of green before step 10 is done"
    yield from _programs(decisions)
    yield from _exceptional(decisions)


def _exceptional(decisions: Decisions) -> Iterator[tuple[str, str]]:
    """Yield what is left out, taken on trust, or done although it need not be."""
    for prefix in decisions.exceptions.prefixes:
        yield "not asked for", f"prefix {prefix}"
    for connection in decisions.exceptions.connections:
        yield "not asked for", f"tunnels of the successor of {connection}"
    if decisions.direct_connect is DirectConnect.ABSENT:
        yield "Direct Connect", "vouched for as absent, where it cannot be read"
    if decisions.recreate_aws_vpn:
        yield "AWS VPN connections", "re-created too, although they are not Classic"


def _programs(decisions: Decisions) -> Iterator[tuple[str, Advice]]:
    """Tell what is sent and run beside the migration."""
    for probe in decisions.probes:
        yield "probe", probe
    limit = span(decisions.waits.hook)
    for when, hook in sorted(decisions.hooks.items()):
        yield "hook", (f"{when}, for at most {limit}:", Command(tuple(hook)))


def _people(decisions: Decisions) -> Iterator[tuple[str, str]]:
    """Tell who has to agree and what has to be tried, before the cutover and before finalize."""
    rule = decisions.approvals
    if rule.needed:
        others = ", by somebody else than whoever carries it out" if rule.four_eyes else ""
        yield "approvals", f"{rule.needed}{others}, each good for {span(rule.valid)}"
    if decisions.rehearsed_within is not None:
        yield "rehearsal", f"passed within {span(decisions.rehearsed_within)} before the cutover"
    last = decisions.finalize
    if last.approved:
        yield "finalize", "approved again, as often as the cutover"
    if last.window is not None:
        yield "finalize window", last.window.written


def _options(options: TunnelOptions) -> Iterator[str]:
    listed = {
        "IKE": options.ike_versions,
        "phase 1 encryption": options.phase1_encryption,
        "phase 1 integrity": options.phase1_integrity,
        "phase 1 groups": options.phase1_dh_groups,
        "phase 2 encryption": options.phase2_encryption,
        "phase 2 integrity": options.phase2_integrity,
        "phase 2 groups": options.phase2_dh_groups,
    }
    for name, values in listed.items():
        if values:
            yield f"{name} {'/'.join(str(value) for value in values)}"
    if options.dpd_timeout_seconds is not None:
        yield f"DPD after {options.dpd_timeout_seconds} s"
    if options.dpd_timeout_action is not None:
        yield f"DPD action {options.dpd_timeout_action}"
