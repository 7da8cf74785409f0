"""Tunnel options, old and new: the table of a plan, its runbook and its report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from vpnmigrate.model.carry_over import (
    CarriedOption,
    OptionSource,
    carried_options,
    successor_selectors,
    uses_secrets_manager,
)
from vpnmigrate.model.decisions import Decisions
from vpnmigrate.model.ec2 import CLASSIC, ConnectionRecord, KeyVisibility
from vpnmigrate.model.plan import Plan
from vpnmigrate.model.tunnel_options import ANY_NETWORK, is_chosen, option_text
from vpnmigrate.report.document import DocumentTable
from vpnmigrate.report.names import Names
from vpnmigrate.report.text import columns, item

HEAD = ("connection", "tunnel", "option", "old", "new", "")
BOTH = "both"
_NOT_SHOWN = "not shown by EC2"
_DEFAULT = "AWS's default"


@dataclass(frozen=True)
class OptionRow:
    """One option of a connection's tunnels, old and new, as text."""

    connection: str
    tunnel: str
    """The old tunnel's outside address, ``both``, or empty for an option of the connection."""
    option: str
    old: str
    new: str
    source: str
    weak: str = ""
    """Weak algorithms that the new tunnel accepts."""

    @property
    def change(self) -> str:
        """The old and the new value, or the one that stays."""
        return self.new if self.old == self.new else f"{self.old} -> {self.new}"

    @property
    def remark(self) -> str:
        """Where the new value comes from, and what is weak in it."""
        return f"{self.source}; weak: {self.weak}" if self.weak else self.source


def option_rows(plan: Plan) -> tuple[OptionRow, ...]:
    """Return the rows of every connection; what keeps AWS's default has none."""
    return tuple(row for old in plan.before.living for row in _of(plan.decisions, old))


def table(plan: Plan) -> DocumentTable:
    """Return the rows as a table."""
    return DocumentTable(
        HEAD,
        tuple(
            (row.connection, row.tunnel, row.option, row.old, row.new, row.remark)
            for row in option_rows(plan)
        ),
    )


def as_json(plan: Plan) -> list[dict[str, Any]]:
    """Return the rows as JSON."""
    return [
        {
            "connection": row.connection,
            "tunnel": row.tunnel,
            "option": row.option,
            "old": row.old,
            "new": row.new,
            "source": row.source,
            "weak": row.weak,
        }
        for row in option_rows(plan)
    ]


def text(plan: Plan, names: Names) -> str:
    """Return the rows as text: each connection and tunnel, then its options."""
    blocks: list[str] = []
    rows = option_rows(plan)
    for connection, tunnel in dict.fromkeys((row.connection, row.tunnel) for row in rows):
        named = names.named(connection)
        titles = {"": named, BOTH: f"{named}, both tunnels"}
        title = titles.get(tunnel, f"{named}, tunnel {tunnel}")
        mine = [row for row in rows if (row.connection, row.tunnel) == (connection, tunnel)]
        lines = columns(((row.option, f"{row.change} ({row.remark})") for row in mine), indent=4)
        blocks.append(f"{item(title)}\n{lines}")
    return "\n".join([*blocks, item("all other options: AWS's defaults")])


def _of(decisions: Decisions, old: ConnectionRecord) -> Iterator[OptionRow]:
    yield from _connection_rows(decisions, old)
    by_option: dict[str, list[CarriedOption]] = {}
    for option in carried_options(decisions, old):
        by_option.setdefault(option.option.field, []).append(option)
    apart: list[OptionRow] = []
    for options in by_option.values():
        if not any(map(_is_shown, options)):
            continue
        if len({(o.old_text, o.new_text) for o in options}) == 1:
            yield _row(old, options[0], BOTH)
        else:
            apart += [_row(old, option, option.tunnel) for option in options]
    yield from apart


def _is_shown(option: CarriedOption) -> bool:
    return is_chosen(option.old) or is_chosen(option.new)


def _row(old: ConnectionRecord, option: CarriedOption, tunnel: str) -> OptionRow:
    unset = _NOT_SHOWN if old.category == CLASSIC else _DEFAULT
    later = option.option.field == "startup_action" and option.new == "start"
    return OptionRow(
        old.id,
        tunnel,
        option.option.label,
        option.old_text or unset,
        f"add, then {option.new}" if later else option.new_text,
        option.source.value,
        option_text(option.option, option.weak),
    )


def _connection_rows(decisions: Decisions, old: ConnectionRecord) -> Iterator[OptionRow]:
    selectors = successor_selectors(decisions, old)
    for name, was, now in (
        ("local network", old.local_network or ANY_NETWORK, selectors.local or ANY_NETWORK),
        ("remote network", old.remote_network or ANY_NETWORK, selectors.remote or ANY_NETWORK),
    ):
        if {was, now} != {ANY_NETWORK}:
            yield OptionRow(old.id, "", name, was, now, _source(was, now, ANY_NETWORK))
    before, after = _storage(old), "Standard"
    if uses_secrets_manager(decisions, old):
        after = "Secrets Manager"
    yield OptionRow(old.id, "", "key storage", before, after, _source(before, after, "Standard"))


def _storage(old: ConnectionRecord) -> str:
    if old.keys_in_secrets_manager:
        return "Secrets Manager"
    shown = any(tunnel.key is not KeyVisibility.UNKNOWN for tunnel in old.tunnels)
    return "Standard" if shown else _NOT_SHOWN


def _source(was: str, now: str, default: str) -> str:
    if was == now:
        return OptionSource.KEPT.value
    if was == _NOT_SHOWN and now == default:
        return OptionSource.DEFAULT.value
    return (OptionSource.LOST if now == default else OptionSource.CHOSEN).value
