"""``report --bundle`` and ``report verify``: packing, and detection of changes."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from contextlib import chdir
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from tests.cli.terminal import Terminal
from vpnmigrate.cli.commands.sandbox import load
from vpnmigrate.cli.main import run_command
from vpnmigrate.cli.sandbox_dependencies import SandboxDependencies
from vpnmigrate.journal.chain import chained, read_chain
from vpnmigrate.journal.records import OutageBegan, OutageEnded
from vpnmigrate.local import bundle
from vpnmigrate.local.documents import load_plan
from vpnmigrate.local.rehearsals import Rehearsals
from vpnmigrate.model.approval import RehearsalResult
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.sandbox.scenarios.load import load_world

Files = dict[str, bytes]


def rehearsed(fingerprint: str) -> RehearsalResult:
    minute = timedelta(minutes=1)
    return RehearsalResult(
        fingerprint=fingerprint,
        at=datetime(2026, 1, 16, tzinfo=UTC),
        tool="0.1.0",
        passed=True,
        cutover=minute,
        back={7: minute},
    )


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the bundle of a migrated run that was replanned once; for tests that only read."""
    place = tmp_path_factory.mktemp("bundle")
    scenario = load("single-static")
    parts = SandboxDependencies(load_world(scenario, VirtualClock()))
    home = ["--run-dir", "runs"]
    with chdir(place):
        run_command(
            ["plan", "--vpn-gateway", scenario.gateways[0].id, "-o", "p.json", *home], parts
        )
        run_command(["apply", "p.json", "--until", "cutover", *home], parts)
        (id_,) = [path.name for path in Path("runs").iterdir()]
        run_command(["plan", "--from", id_, "--change", "CHG1", "-o", "q.json", *home], parts)
        Rehearsals(Path("runs")).keep(rehearsed(load_plan(Path("q.json")).fingerprint))
        assert run_command(["apply", "q.json", "--yes", *home], parts) == 0
        assert run_command(["report", id_, "--survey", "--bundle", "b.zip", *home], parts) == 0
    return place / "b.zip"


@pytest.fixture
def members(packed: Path) -> Files:
    return bundle.unpack(packed.read_bytes())


def pack_again(members: Files) -> bytes:
    """Pack *members* as a forger with this program would: with a matching manifest."""
    about = bundle.manifest_of(members).about
    return bundle.pack(about, {n: c for n, c in members.items() if n != bundle.MANIFEST})


def lines(members: Files) -> list[bytes]:
    return members["journal.jsonl"].splitlines(keepends=True)


def with_lines(members: Files, kept: list[bytes]) -> Files:
    return {**members, "journal.jsonl": b"".join(kept)}


def test_holds_everything_but_secrets(packed, members):
    """Journal, plans, log, survey and reports are there; vault, inbox and lock are not."""
    names = sorted(members)

    former = [name for name in names if name.startswith("plan.") and name != "plan.json"]
    assert len(former) == 1
    assert sorted({*names} - {*former}) == [
        "after.json",
        "journal.jsonl",
        "log.jsonl",
        "manifest.json",
        "plan.json",
        "rehearsal.json",
        "report.html",
        "report.json",
        "report.md",
    ]
    assert packed.stat().st_mode & 0o077 == 0


def test_no_key_is_in_it(packed):
    """No byte of the archive contains a key of the vault."""
    (vault,) = (packed.parent / "runs").glob("*/vault")
    texts = "".join(path.read_text() for path in vault.glob("*/*"))
    keys = {piece.split("<")[0] for piece in texts.split("<pre_shared_key>")[1:]}

    assert len(keys) == 4  # Two tunnels of the old connection and two of the new one.
    assert [key for key in keys if key.encode() in packed.read_bytes()] == []


def test_verifies_and_says_what_it_does_not_prove(terminal: Terminal, packed):
    """An unchanged bundle verifies without a run, and the limits of the proof are printed."""
    ran = terminal.run("report", "verify", str(packed))
    output = terminal.run("report", "verify", str(packed), "--json").document

    assert ran.code == 0
    assert "WHAT THIS CANNOT PROVE" in ran.out
    assert "The bundle is not signed" in ran.out
    assert output["reports_compared"] is True
    assert output["cannot_prove"]


def test_the_hash_that_was_noted_is_compared(terminal: Terminal, packed):
    """With the recorded hash even a consistent forgery is detected."""
    file = str(packed)
    hash_ = terminal.run("report", "verify", file, "--json").document["sha256"]

    assert terminal.run("report", "verify", file, "--sha256", hash_).code == 0
    assert terminal.run("report", "verify", file, "--sha256", "0" * 64).code == 1


def test_the_same_run_gives_the_same_bundle(terminal: Terminal):
    """Packing twice gives the same bytes, at any time."""
    id_ = terminal.planned()
    terminal.run("apply", "plan.json", "--until", "cutover")
    first = terminal.run("report", id_, "--bundle", "1.zip", "--json").document
    second = terminal.run("report", id_, "--bundle", "2.zip", "--json").document

    assert first["sha256"] == second["sha256"]
    assert terminal.run("report", "verify", "1.zip").code == 0


def altered(members: Files) -> Files:
    kept = lines(members)
    kept[4] = kept[4].replace(b'"at":"2', b'"at":"3')
    return with_lines(members, kept)


def last_altered(members: Files) -> Files:
    kept = lines(members)
    kept[-1] = kept[-1].replace(b"forward", b"finalize")
    return with_lines(members, kept)


def removed(members: Files) -> Files:
    return with_lines(members, lines(members)[:6] + lines(members)[7:])


def swapped(members: Files) -> Files:
    kept = lines(members)
    kept[6], kept[7] = kept[7], kept[6]
    return with_lines(members, kept)


def cut(members: Files) -> Files:
    return with_lines(members, lines(members)[:-3])


def added(members: Files) -> Files:
    contents = read_chain(members["journal.jsonl"], bundle.manifest_of(members).about.run)
    more = msgspec.structs.replace(contents.entries[-1], seq=len(contents.entries) + 1)
    text = chained([more], contents.head).text
    return with_lines(members, [*lines(members), text])


def plan_edited(members: Files) -> Files:
    return {**members, "plan.json": members["plan.json"].replace(b"CHG1", b"CHG2")}


def former_plan_removed(members: Files) -> Files:
    return {n: c for n, c in members.items() if n == "plan.json" or not n.startswith("plan.")}


def report_edited(members: Files) -> Files:
    return {**members, "report.md": members["report.md"].replace(b"CHG1", b"CHG2")}


def rehearsal_edited(members: Files) -> Files:
    text = members["rehearsal.json"].replace(b"PT60S", b"PT90S").replace(b"PT1M", b"PT90S")
    return {**members, "rehearsal.json": text}


def rehearsal_of_another_plan(members: Files) -> Files:
    return {**members, "rehearsal.json": msgspec.json.encode(rehearsed("0" * 64))}


def values_that_cannot_be(members: Files) -> Files:
    contents = read_chain(members["journal.jsonl"], bundle.manifest_of(members).about.run)
    ages = timedelta(days=900_000)
    forged = [
        msgspec.structs.replace(e, record=msgspec.structs.replace(e.record, lasted=ages))
        if isinstance(e.record, OutageEnded)
        else e
        for e in contents.entries
        if not isinstance(e.record, OutageBegan)
    ]
    entries = [msgspec.structs.replace(e, seq=number + 1) for number, e in enumerate(forged)]
    written = chained(entries, json.loads(lines(members)[0])["prev"])
    about = bundle.manifest_of(members).about
    about = msgspec.structs.replace(about, entries=len(entries), head=written.head)
    again = bundle.pack(about, {**members, "journal.jsonl": written.text})
    return {
        **members,
        "journal.jsonl": written.text,
        bundle.MANIFEST: bundle.unpack(again)[bundle.MANIFEST],
    }


def survey_edited(members: Files) -> Files:
    survey = json.loads(members["after.json"])
    survey["gateway"]["tags"]["team"] = "other"
    return {**members, "after.json": json.dumps(survey).encode()}


@pytest.mark.parametrize(
    ("tamper", "place"),
    [
        (altered, "journal.jsonl"),
        (last_altered, "journal.jsonl"),
        (removed, "journal.jsonl"),
        (swapped, "journal.jsonl"),
        (cut, "journal.jsonl"),
        (added, "journal.jsonl, line "),
        (plan_edited, "plan.json"),
        (former_plan_removed, "journal.jsonl, line 1"),
        (report_edited, "report.md"),
        (survey_edited, "report.html"),
        (rehearsal_edited, "report.html"),
        (rehearsal_of_another_plan, "rehearsal.json"),
        (values_that_cannot_be, "the data of the reports: it has an impossible value"),
    ],
)
def test_finds_edits_under_a_manifest_that_fits(
    terminal: Terminal, members: Files, tamper: Callable[[Files], Files], place: str
):
    """An altered file with matching hashes is detected from the content of the files."""
    forged = tamper(members)
    assert forged != members
    (terminal.place / "f.zip").write_bytes(pack_again(forged))

    ran = terminal.run("report", "verify", "f.zip", "--json")

    assert ran.code == 1
    assert f"does not verify: {place}" in ran.document["error"]["what"]


def test_a_damaged_line_is_named(terminal: Terminal, packed: Path, members: Files):
    """The first bad line of the journal is named by its number."""
    raw = packed.read_bytes()
    line = lines(members)[4]
    forged = raw.replace(line, line.replace(b'"at":"2', b'"at":"3'))
    assert forged != raw
    (terminal.place / "f.zip").write_bytes(forged)

    ran = terminal.run("report", "verify", "f.zip")

    assert ran.code == 1
    assert "line 5" in ran.err


def test_a_journal_written_anew_is_not_found_out(terminal: Terminal, members: Files):
    """The documented limit is real: a forgery with all hashes recomputed verifies."""
    about = bundle.manifest_of(members).about
    contents = read_chain(members["journal.jsonl"], about.run)
    entries = [
        msgspec.structs.replace(e, record=msgspec.structs.replace(e.record, user="mallory"))
        if hasattr(e.record, "user")
        else e
        for e in contents.entries
    ]
    written = chained(entries, json.loads(lines(members)[0])["prev"])
    forged = {**members, "journal.jsonl": written.text}
    # The forger has this program too, and uses it to write the reports.
    del forged[bundle.MANIFEST], forged["report.html"], forged["report.json"], forged["report.md"]
    folder = terminal.place / "home" / "runs" / about.run
    for name in ("inbox", "vault"):
        (folder / name).mkdir(0o700, parents=True)
    folder.chmod(0o700)
    for name, content in forged.items():
        (folder / name).write_bytes(content)
    assert terminal.run("report", about.run, "--bundle", "f.zip").code == 0

    assert terminal.run("report", "verify", "f.zip").code == 0
    assert written.head != about.head


def test_another_version_does_not_judge_the_reports(terminal: Terminal, members: Files):
    """Reports of another version are not compared, and the output says so."""
    about = msgspec.structs.replace(bundle.manifest_of(members).about, tool="9.9.9")
    files = {n: c for n, c in report_edited(members).items() if n != bundle.MANIFEST}
    (terminal.place / "o.zip").write_bytes(bundle.pack(about, files))

    output = terminal.run("report", "verify", "o.zip", "--json").document

    assert output["reports_compared"] is False
    assert any("were not compared" in line for line in output["proved"])


def test_a_key_that_was_printed_stops_the_packing(terminal: Terminal):
    """If a hook or a test has printed a key into the log, no bundle is written."""
    id_ = terminal.planned()
    terminal.run("apply", "plan.json", "--until", "cutover")
    run_ = terminal.place / "home" / "runs" / id_
    key = min(terminal.world.keys)
    with (run_ / "log.jsonl").open("a") as log:
        log.write(json.dumps({"output": f"oops {key}"}) + "\n")

    ran = terminal.run("report", id_, "--bundle", "b.zip")

    assert ran.code == 4
    assert "log.jsonl" in ran.err
    assert key not in ran.err
    assert not (terminal.place / "b.zip").exists()


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_bundle_is_told_as_such(terminal: Terminal, content: bytes):
    """Another file is reported as not a bundle, and an empty archive as damaged."""
    (terminal.place / "x.zip").write_bytes(content)

    ran = terminal.run("report", "verify", "x.zip")
    assert ran.code in {1, 2}
    assert "Next:" in ran.err


def test_a_journal_of_anything_else_costs_no_memory(terminal: Terminal, members: Files):
    """A bundle from any source has limited lines: twelve million lines took 3.3 GB."""
    journal = b'{"v":2}\n' * 1_000_000
    (terminal.place / "b.zip").write_bytes(pack_again({**members, "journal.jsonl": journal}))
    tracemalloc.start()
    try:
        output = terminal.run("report", "verify", "b.zip")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert output.code == 1
    assert "line 1" in output.err
    assert peak < 5 * len(journal)


def test_more_lines_than_any_run_writes_are_not_read(terminal: Terminal, members: Files):
    """No more lines are read than the manifest says."""
    about = bundle.manifest_of(members).about
    files = {n: c for n, c in members.items() if n != bundle.MANIFEST}
    many = msgspec.structs.replace(about, entries=100_001)
    (terminal.place / "b.zip").write_bytes(bundle.pack(many, files))

    output = terminal.run("report", "verify", "b.zip")

    assert output.code == 1
    assert "no journal has more than 100000 lines" in output.err
