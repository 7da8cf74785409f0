"""Plan for a change board: changes, outage, decisions, findings and rollback."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from vpnmigrate.model.changes import AskOperator, Change
from vpnmigrate.model.clock import moment, span
from vpnmigrate.model.decisions import (
    BackOut,
    Decisions,
    DirectConnectAssumption,
    DriverKind,
    InsideMode,
    KeyMode,
    KeyStorage,
    OldTunnels,
    SshAccess,
    TunnelPolicy,
    UnsetOptions,
)
from vpnmigrate.model.device_drivers import lacks_timer
from vpnmigrate.model.ec2 import TunnelOptions
from vpnmigrate.model.errors.commands import Advice, Command, cli
from vpnmigrate.model.plan import Phase, Plan, PlannedStep
from vpnmigrate.model.snapshot import Confirmation
from vpnmigrate.model.tunnel_options import BY_FIELD, chosen_texts
from vpnmigrate.report import inventory, tunnel_options
from vpnmigrate.report import rollback_proof as proofs
from vpnmigrate.report.findings import findings_json, findings_text
from vpnmigrate.report.names import NO_NAMES, Names, names_of
from vpnmigrate.report.plan_summary import PlanView, summary_json, summary_text
from vpnmigrate.report.planned_changes import change_text
from vpnmigrate.report.results import NOT_PROVEN
from vpnmigrate.report.text import columns, count, heading, item, wrapped

SCHEMA = "vpnmigrate/plan/1"

_FLOWS_AGAIN = "tunnels are up and routes are back"

_TRAFFIC_RETURNS = frozenset({Confirmation.NEW_TUNNELS_ENABLED, Confirmation.TUNNELS_RETURNED})


def text(view: PlanView) -> str:
    """Return the plan without its steps: summary, findings, current state and decisions."""
    every = view.invocation.complete(cli("show", view.file, "--steps"))
    return "\n\n".join(
        [
            *_before_steps(view),
            heading("Steps") + columns([("every change, rollback and proof:", every)]),
            heading("Next") + columns(view.next_commands),
        ]
    )


def text_with_steps(view: PlanView) -> str:
    """Return the whole plan, with every change of each step, the rollback and its proof."""
    plan = view.plan
    names = names_of(plan)
    return "\n\n".join(
        [
            *_before_steps(view),
            heading("Steps 1 to 10: apply") + "\n".join(_forward(plan, names)),
            heading("Rollback") + _rollback(plan, names),
            heading("Rollback proof") + proofs.proof_text(view.proof, names),
            heading("Step 11: finalize") + _finalize(plan, names),
            heading("Next") + columns(view.next_commands),
        ]
    )


def _before_steps(view: PlanView) -> list[str]:
    plan = view.plan
    names = names_of(plan)
    return [
        f"{_title(plan, names)}\n{summary_text(view)}",
        heading("Findings") + (findings_text(plan.findings, names) or item("none")),
        heading("Current state") + inventory.text(plan.before),
        heading("Decisions") + decisions_text(plan.decisions, names),
        heading("Tunnel options, old and new") + tunnel_options.text(plan, names),
        heading("Plan") + _origin(plan),
    ]


def as_json(view: PlanView) -> dict[str, Any]:
    """Return the plan as a JSON document: the fields of its file, its name, and the summary."""
    complete, file = view.invocation.complete, view.file
    return {
        "schema": SCHEMA,
        "file": file,
        "signature": f"{file}.sig" if view.signed else None,
        "summary": summary_json(view),
        "findings": findings_json(view.plan.findings),
        "tunnel_options": tunnel_options.as_json(view.plan),
        "plan": msgspec.to_builtins(view.plan),
        "proof": proofs.proof_json(view.proof),
        "next": [str(complete(cli(verb, file))) for verb in ("rehearse", "apply")],
    }


def _title(plan: Plan, names: Names) -> str:
    return wrapped(
        f"Plan to replace {names.named(plan.old_gateway)} on {names.named(plan.vpc)} "
        f"and its {count(len(plan.old_connections), 'connection')}"
    )


def _origin(plan: Plan) -> str:
    return columns(
        [
            ("migration", plan.migration),
            ("playbook", plan.playbook),
            ("surveyed", moment(plan.before.taken)),
            ("made", f"{moment(plan.made)} by vpnmigrate {plan.tool}"),
            ("fingerprint", plan.fingerprint),
        ]
    )


def _forward(plan: Plan, names: Names) -> Iterator[str]:
    outage = plan.outage
    return _steps(plan.forward, names, _FLOWS_AGAIN if outage is None else outage.ends_when)


def _steps(
    steps: Iterable[PlannedStep], names: Names, ends_when: str = _FLOWS_AGAIN
) -> Iterator[str]:
    ends = _mark(f"THE OUTAGE ENDS when {names.text(ends_when)}")
    down, up = False, False
    for step in steps:
        if down and not up and step.phase is not Phase.CUTOVER:
            up = True  # No task restores traffic: it is restored without the operator.
            yield ends
        interrupts = step.phase is Phase.CUTOVER and bool(step.changes)
        if interrupts and not down:
            down = True
            yield _mark("THE OUTAGE BEGINS with the next change")
        yield f"  {step.number:>2}  {step.title} ({step.phase.value})"
        if not step.changes:
            yield item("changes nothing in AWS", indent=6)
        for change in step.changes:
            yield item(change_text(change, names), indent=6)
            if down and not up and _restores_traffic(change):
                up = True
                yield ends
        if step.changes:
            yield from _contract(step, names)
    if down and not up:
        yield ends


def _contract(step: PlannedStep, names: Names) -> Iterator[str]:
    """Yield what holds before and after *step*, how long it takes, and what undoes it."""
    if step.precondition:
        yield wrapped(step.precondition, first="      before  ")
    if step.postcondition:
        yield wrapped(step.postcondition, first="      after   ")
    if step.limit is not None:
        usual = f"about {span(step.expected)}, " if step.expected is not None else ""
        yield f"      time    {usual}{span(step.limit)} at most"
    if step.inverse:
        undone = "; ".join(change_text(change, names) for change in step.inverse)
        yield wrapped(undone, first="      undo    ")


def _restores_traffic(change: Change) -> bool:
    return isinstance(change, AskOperator) and change.confirmation in _TRAFFIC_RETURNS


def _mark(what: str) -> str:
    return wrapped(what, first="  ----  ")


def _rollback(plan: Plan, names: Names) -> str:
    intro = wrapped(
        "Until finalize, one command restores the state before the migration, from any step: it "
        "runs the same cutover with the gateways exchanged, then removes what steps 2 to 6 "
        "created. Before step 7 it interrupts no traffic.",
        first="  ",
    )
    return "\n".join([intro, *_steps(plan.back, names)])


def _finalize(plan: Plan, names: Names) -> str:
    intro = wrapped(
        "A separate command: apply never runs it. Its first change is the point of no return: "
        "what it deletes cannot be recreated.",
        first="  ",
    )
    return "\n".join([intro, *_steps(plan.finalize, names)])


_KEYS = {
    KeyMode.NEW: "AWS generates new pre-shared keys; every device needs them",
    KeyMode.REUSE: "the old tunnels' pre-shared keys are reused",
    KeyMode.SECRETS_MANAGER: "AWS generates new pre-shared keys and stores them in Secrets Manager",
}

_INSIDE = {
    InsideMode.AMAZON: "AWS chooses them",
    InsideMode.KEEP: "those of the old tunnels; disable these before enabling the new ones",
    InsideMode.LISTED: "listed by the playbook",
}

_OLD_TUNNELS = {
    OldTunnels.DISABLE: "disabled on the devices once the new ones carry traffic",
    OldTunnels.LEAVE: "left enabled until finalize",
}

_TUNNELS = {
    TunnelPolicy.AS_BEFORE: "as many of each connection as before, and at least one",
    TunnelPolicy.AT_LEAST_ONE: "one of each connection; fewer than before is reported as degraded",
}

_BACK_OUT = {
    BackOut.ASK: "stop and ask; no rollback without an answer",
    BackOut.ROLLBACK: "roll back without asking",
}


def decisions_text(decisions: Decisions, names: Names = NO_NAMES) -> str:
    """Return every decision, one per line."""
    rows = _rows(decisions)
    return columns((name, names.text(v) if isinstance(v, str) else v) for name, v in rows)


def _rows(decisions: Decisions) -> Iterator[tuple[str, Advice]]:
    if decisions.change:
        yield "change", decisions.change
    asn = decisions.asn
    kept = "the old gateway's if EC2 accepts it, else 64512"
    if decisions.unset_options is UnsetOptions.AWS:
        kept = "64512, AWS's default"
    yield "Amazon-side ASN", kept if asn is None else str(asn)
    yield "pre-shared keys", _KEYS[decisions.keys]
    if decisions.key_storage is not KeyStorage.KEEP:
        yield "key storage", decisions.key_storage.value
    yield "inside addresses", _INSIDE[decisions.inside]
    for connection, cidrs in sorted(decisions.inside_cidrs.items()):
        yield "", f"{connection}: {', '.join(cidrs)}"
    for gateway, device in sorted(decisions.device_types.items()):
        yield "device sample", f"{device} for {gateway}"
    yield from _tunnel_decisions(decisions)
    test = decisions.test_vpc
    if test is None:
        yield "test VPC (step 6)", "none"
    elif test.command:
        yield "test VPC (step 6)", (f"{test.cidr}, tested by:", Command(tuple(test.command)))
    else:
        yield "test VPC (step 6)", f"{test.cidr}, tested by a person"
    yield "old tunnels", _OLD_TUNNELS[decisions.old_tunnels]
    yield "if the cutover fails", _BACK_OUT[decisions.back_out]
    window = decisions.window
    if window is None:
        yield "change window", "none: the cutover may begin at any time"
    else:
        yield "change window", window.written
        yield "", f"{moment(window.start)} to {moment(window.end)}, for the cutover"
        yield "", f"its last {span(decisions.waits.margin)} are reserved as a margin"
    yield from _operator(decisions)
    waits = decisions.waits
    verification = decisions.verification
    often = f"{span(waits.steady)} and {verification.readings} readings in a row"
    yield "wait for tunnels", f"{span(waits.tunnels)}, then stable for {often}"
    yield "tunnels required", _TUNNELS[verification.tunnels]
    if waits.soak:
        yield "soak", f"{span(waits.soak)} of stable traffic before step 10 is done"
    yield from _programs(decisions)
    yield from _exceptional(decisions)


_UNSET = {
    UnsetOptions.KEEP: "those of the old tunnels; strong ones for Classic connections",
    UnsetOptions.AWS: "AWS's defaults, which accept weak algorithms",
}


def _tunnel_decisions(decisions: Decisions) -> Iterator[tuple[str, str]]:
    """Yield what the playbook sets for tunnels, and what holds for the rest."""
    chosen = _options(decisions.tunnel_options)
    if chosen:
        yield "tunnel options", chosen
    for name, options in sorted(decisions.tunnel_options_of.items()):
        yield "tunnel options", f"of {name}: {_options(options) or 'none'}"
    for connection, networks in sorted(decisions.networks.items()):
        local, remote = networks.local or "unchanged", networks.remote or "unchanged"
        yield "networks", f"of {connection}: local {local}, remote {remote}"
    yield "other tunnel options" if chosen else "tunnel options", _UNSET[decisions.unset_options]


def _exceptional(decisions: Decisions) -> Iterator[tuple[str, str]]:
    """Yield what is excluded, assumed, or done although it is not required."""
    if decisions.tags.drop:
        yield "tags left out", ", ".join(decisions.tags.drop)
    for key, value in sorted(decisions.tags.add.items()):
        yield "tag added", f"{key}={value}"
    floor = decisions.crypto_floor
    if chosen := [
        f"{BY_FIELD[name].label} {', '.join(map(str, values))}"
        for name in floor.__struct_fields__
        if (values := getattr(floor, name))
    ]:
        yield "negotiated at least", "; ".join(chosen)
    for prefix in decisions.exceptions.prefixes:
        yield "not required", f"prefix {prefix}"
    for connection in decisions.exceptions.connections:
        yield "not required", f"tunnels of the successor of {connection}"
    if decisions.direct_connect is DirectConnectAssumption.ABSENT:
        yield "Direct Connect", "assumed absent if it cannot be read"
    if decisions.recreate_aws_vpn:
        yield "AWS VPN connections", "recreated too, although they are not Classic"


def _programs(decisions: Decisions) -> Iterator[tuple[str, Advice]]:
    """Yield the probes, drivers and hooks that run during the migration."""
    for probe in decisions.probes:
        yield "probe", probe
    for gateway, driver in sorted(decisions.drivers.items()):
        about = f"{driver.kind} for {gateway}"
        most = f"{about}, for at most {span(driver.limit)} a call:"
        words = driver.command or driver.shell
        yield "driver", (most, Command(words)) if words else about
        if driver.kind is DriverKind.STRONGSWAN:
            yield "", f"charon at {', '.join(driver.sockets)}"
        if driver.ssh is not None:
            yield from _login(driver.ssh)
            timer = "undoes no change by itself"
            if not lacks_timer(driver):
                timer = f"undoes a change that is not confirmed within {span(driver.confirm_timer)}"
            yield "", f"the device {timer}"
        if driver.platform:
            yield "", f"its platform is {driver.platform}"
        for placeholder, value in driver.values.items():
            yield "", f"<{placeholder}> is {value}"
        if driver.existing:
            yield "", f"its running configuration is in {driver.existing}"
    limit = span(decisions.waits.hook)
    for when, hook in sorted(decisions.hooks.items()):
        yield "hook", (f"{when}, for at most {limit}:", Command(tuple(hook)))


def _login(ssh: SshAccess) -> Iterator[tuple[str, Advice]]:
    """Yield how a driver over SSH logs in."""
    yield "", f"as {ssh.user} at {ssh.host}, port {ssh.port}"
    yield "", f"host key in {ssh.known_hosts or '~/.ssh/known_hosts'}"
    if ssh.password_command:
        yield "", ("password by", Command(ssh.password_command))
    elif ssh.password_file:
        yield "", f"password in {ssh.password_file}"
    elif ssh.key_file:
        yield "", f"private key in {ssh.key_file}"
    else:
        yield "", "private key of the SSH agent"


def _operator(decisions: Decisions) -> Iterator[tuple[str, str]]:
    """Yield the approvals and rehearsals required before the cutover and before finalize."""
    rule = decisions.approvals
    if rule.needed:
        others = ", not by the operator" if rule.four_eyes else ""
        yield "approvals", f"{rule.needed}{others}, each valid for {span(rule.valid)}"
    if rule.signed:
        yield "signatures", f"plan and approvals, by the keys in {rule.allowed_signers}"
    elif rule.needed:
        yield "signatures", f"none required: an approval does not prove {NOT_PROVEN}"
    if rule.revoked_keys:
        yield "revoked keys", rule.revoked_keys
    if decisions.rehearsed_within is not None:
        yield "rehearsal", f"passed within {span(decisions.rehearsed_within)} before the cutover"
    last = decisions.finalize
    if last.approved:
        yield "finalize", "the same number of approvals again"
    if last.soak:
        yield "finalize", f"{span(last.soak)} after traffic was verified through the new side"
    if last.window is not None:
        yield "finalize window", last.window.written


def _options(options: TunnelOptions) -> str:
    """Return the chosen options, or an empty text."""
    return "; ".join(f"{label} {value}" for label, value in chosen_texts(options))
