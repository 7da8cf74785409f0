"""Negotiated algorithms after the cutover: lines, the section of a report, and JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vpnmigrate.journal.crypto_record import CryptoSeen
from vpnmigrate.model.negotiated import JudgedTunnel, texts_of
from vpnmigrate.report.document import DocumentTable, Section
from vpnmigrate.report.text import count

_HEADS = ("connection", "tunnel", "negotiated", "verdict")


def crypto_open(seen: CryptoSeen | None) -> tuple[str, ...]:
    """Return the tunnels below the floor, then the unknown ones; none if all meet it."""
    return () if seen is None else (*seen.below, *seen.unknown)


def crypto_lines(seen: CryptoSeen) -> Iterator[str]:
    """Yield the result for the progress of a run."""
    found = crypto_open(seen)
    yield from (f"negotiated algorithms of {each}" for each in found)
    if not found:
        up = [each for each in seen.tunnels if not each.negotiated.is_down]
        yield f"negotiated algorithms of {count(len(up), 'tunnel')}: the floor is met"


def crypto_section(seen: CryptoSeen | None) -> Iterator[Section]:
    """Yield the section of a report; none before the end of step 10."""
    if seen is None:
        return
    rows = tuple(_row(each) for each in seen.tunnels)
    about = ("read after the cutover; a verdict on algorithms, on which nothing else depends",)
    yield Section(
        "Negotiated algorithms",
        (*about, *seen.unknown) if seen.why else about,
        DocumentTable(_HEADS, rows) if rows else None,
        loud=bool(seen.below),
    )


def _row(each: JudgedTunnel) -> tuple[str, ...]:
    found = each.negotiated
    shown = "; ".join(f"{label} {value}" for label, value in texts_of(found))
    reasons = "; ".join(each.below or each.unclear)
    verdict = f"{each.verdict.value}: {reasons}" if reasons else each.verdict.value
    return found.connection, found.outside_ip, shown or found.why, verdict


def crypto_json(seen: CryptoSeen | None) -> dict[str, Any] | None:
    """Return the result as JSON values; None before the end of step 10."""
    if seen is None:
        return None
    return {
        "why": seen.why,
        "tunnels": [
            {
                "connection": each.negotiated.connection,
                "outside_address": each.negotiated.outside_ip,
                "status": each.negotiated.status.value,
                "negotiated": dict(texts_of(each.negotiated)),
                "verdict": each.verdict.value,
                "below": list(each.below),
                "unclear": list(each.unclear),
                "why": each.negotiated.why,
            }
            for each in seen.tunnels
        ],
    }
