"""No Name tag can reverse, end or hide text in any output."""

from __future__ import annotations

from tests.cli.terminal import Terminal

CONTROLS = {
    "bidirectional": "\u202e\u202a\u2066\u2069\u200e\u200f\u061c",
    "line separators": "\u2028\u2029\x85\x0b\x0c",
    "C0 and C1": "\x1b[2J\x07\x08\x9b2J\x9d\x7f",
    "invisible": "\u200b\ufeff\U000e0041\u2060",
}


def named(terminal: Terminal, name: str) -> None:
    """Set the Name tag of every resource in the account to *name*."""
    with terminal.world.alone() as state:
        for ids in (
            state.gateways,
            state.connections,
            state.vpcs,
            state.tables,
            state.customer_gateways,
        ):
            state.tags.update({id_: {"Name": name} for id_ in ids})


def test_no_document_shows_a_control_of_a_name(terminal):
    """Plan, rehearsal, runbook, progress, status, report: in Markdown, HTML and text."""
    named(terminal, f"site{'='.join(CONTROLS.values())}tis")
    shown: dict[str, str] = {}

    def ran(*words: str) -> None:
        output = terminal.run(*words)
        assert output.code == 0, (words, output.err)
        shown.update({f"{words}: out": output.out, f"{words}: err": output.err})

    ran("plan", "--vpn-gateway", terminal.gateway, "-o", "plan.json")
    ran("plan", "--vpn-gateway", terminal.gateway, "-o", "plan.json", "--json")
    ran("rehearse", "plan.json")
    for form in ("book.md", "book.html"):
        ran("runbook", "plan.json", "-o", form)
    ran("runbook", "plan.json")
    ran("apply", "plan.json", "--yes")
    (run,) = (path.parent.name for path in terminal.place.rglob("journal.jsonl"))
    ran("status")
    ran("status", run)
    ran("status", run, "--json")
    for form in ("report.md", "report.html"):
        ran("report", run, "-o", form)
    ran("report", run)
    ran("report", run, "--json")
    for form in ("book.md", "book.html", "report.md", "report.html"):
        shown[form] = (terminal.place / form).read_text(encoding="utf-8")

    strange = {
        name: sorted({letter for letter in text if letter != "\n" and not letter.isprintable()})
        for name, text in shown.items()
    }
    assert {name: found for name, found in strange.items() if found} == {}
    assert "tis" in shown["book.html"]  # The name is shown.
    assert "tis" in shown["book.md"]
