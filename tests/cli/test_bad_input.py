"""Invalid input: one clear message, a documented exit code, no traceback, no change.

The files are valid files damaged at random; the command lines are words in any order.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cli.terminal import Ran, Terminal
from tests.devices.documents import a_document
from vpnmigrate.cli.commands.sandbox import load
from vpnmigrate.devices.configuration import (
    MOST_CHARACTERS,
    ConfigurationError,
    DeviceConfiguration,
    parse_configuration,
)
from vpnmigrate.local.documents import PLAYBOOKS, SCENARIOS, scenario_text
from vpnmigrate.model.errors import Exit, UsageError, VpnMigrateError
from vpnmigrate.sandbox.ec2.dispatch import WRITES
from vpnmigrate.sandbox.scenarios.scenario import Scenario

SEEDS = range(60)

JUNK = (b"\x00", b"\xff\xfe", b"{", b"]", b'"', b"null", b"1e999", b"&a *a", b"\n\n- ")
VERBS = ("plan", "rehearse", "apply", "rollback", "finalize", "status", "done", "playbook")
WORDS = st.one_of(
    st.sampled_from(VERBS),
    st.sampled_from(
        ["show", "list", "schema", "sandbox", "device", "scenarios", "run-1", "x.json"]
    ),
    st.sampled_from(["--json", "--yes", "--no-input", "--until", "--confirm", "--take-over"]),
    st.sampled_from(["--vpn-gateway", "--playbook", "-o", "--run-dir", "--region", "--from"]),
    st.sampled_from(["", "-", "--", "--=", "5", "-1", "vpn-1", "vgw-1", "/", "..", "\x00", "💥"]),
    st.text(max_size=12),
)


def damaged(raw: bytes, seed: int) -> bytes:
    """Damage *raw* a few times: cut, flip, drop, double or insert."""
    draw = random.Random(seed)
    text = bytearray(raw)
    for _ in range(draw.choice((1, 1, 1, 3, 10))):
        at = draw.randrange(len(text) or 1)
        match draw.randrange(7):
            case 0:
                del text[at:]
            case 1 if text:
                text[at] ^= 1 << draw.randrange(8)
            case 2:
                del text[at : at + draw.randrange(1, 40)]
            case 3:
                text[at:at] = text[at : at + draw.randrange(1, 200)]
            case 4:
                junk = (
                    b"\x00",
                    b"\xff\xfe",
                    b"{",
                    b"]",
                    b'"',
                    b"null",
                    b"1e999",
                    b"&a *a",
                    b"\n\n- ",
                )
                text[at:at] = draw.choice(junk)
            case 5:
                text[:] = text.replace(b'"', draw.choice((b"'", b"", b'""')), draw.randrange(1, 3))
            case _:
                digits = [i for i, byte in enumerate(text) if chr(byte).isdigit()]
                if digits:
                    text[draw.choice(digits)] = ord(draw.choice("0129-e"))
    return bytes(text)


def check_message(ran: Ran, codes: set[int]) -> None:
    """Check that there is one message, a valid exit code, and no bug report."""
    assert ran.code in codes, ran.err
    assert "Traceback" not in ran.err
    assert "bug in vpnmigrate" not in ran.err
    assert ran.code == Exit.DONE or ran.err.strip() or ran.out.strip()


class Watched:
    """Faults that pass every call, and record the calls that change something."""

    def __init__(self) -> None:
        self.changed: list[str] = []

    def before(self, service: str, action: str, nth: int) -> None:
        if (service, action) in WRITES:
            self.changed.append(action)

    def after(self, service: str, action: str, nth: int) -> None:
        pass


@pytest.fixture
def watched(terminal: Terminal) -> Watched:
    watch = Watched()
    terminal.inject(watch)
    return watch


class TestCommandLine:
    @settings(
        max_examples=150,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(words=st.lists(WORDS, max_size=6))
    def test_words_in_any_order_change_nothing(self, words, terminal, watched):
        """An invalid command line is refused; nothing reaches AWS or the disk."""
        ran = terminal.run(*words)

        check_message(ran, set(Exit))
        assert watched.changed == []
        assert [path.name for path in terminal.place.iterdir()] in ([], ["home"])


class TestPlan:
    def test_a_damaged_plan_is_refused(self, terminal, watched):
        """A plan with a damaged byte is malformed or edited: exit code 2 or 4, no change sent."""
        terminal.planned()
        good = Path("plan.json").read_bytes()
        for seed in SEEDS:
            bad = damaged(good, seed)
            if _same(bad, good):
                continue
            Path("bad.json").write_bytes(bad)

            check_message(terminal.run("apply", "bad.json", "--no-input"), {2, 4})

        assert watched.changed == []


def _same(bad: bytes, good: bytes) -> bool:
    """Return whether the damage has not changed the content of the file."""
    try:
        return bool(json.loads(bad) == json.loads(good))
    except ValueError:
        return False


class TestPlaybook:
    def test_a_damaged_playbook_is_told_by_line_and_field(self, terminal, watched):
        """A damaged playbook is read as written or refused; planning with it changes nothing."""
        good = PLAYBOOKS.read("standard").text.encode()
        for seed in SEEDS:
            Path("bad.yaml").write_bytes(damaged(good, seed))

            ran = terminal.run(
                "plan",
                "--vpn-gateway",
                terminal.gateway,
                "--playbook",
                "./bad.yaml",
                "-o",
                "p.json",
            )

            check_message(ran, {0, 2, 4})
        assert watched.changed == []


class TestJournal:
    def test_a_damaged_journal_is_told(self, terminal, watched):
        """The status of a run with a damaged journal reports the damage, or the readable part."""
        run = terminal.planned()
        assert terminal.run("apply", "plan.json", "--until", "cutover").code == Exit.DONE
        made = len(watched.changed)
        (journal,) = Path(terminal.place).rglob("journal.jsonl")
        good = journal.read_bytes()
        for seed in SEEDS:
            journal.write_bytes(damaged(good, seed))

            check_message(terminal.run("status", run), {0, 1})
        assert len(watched.changed) == made


class TestScenario:
    @pytest.mark.parametrize("name", SCENARIOS.names)
    def test_a_damaged_scenario_is_malformed_or_another_one(self, name, tmp_path):
        """A damaged scenario is read as written, or refused with file, line and field."""
        _check_own_errors(scenario_text(name).text.encode(), tmp_path / "bad.yaml")

    def test_damaged_describe_output_is_malformed_or_another_account(self, terminal, tmp_path):
        """Damaged describe output is read as written, or refused."""
        world = terminal.world
        kinds = ("VpnGateways", "VpnConnections", "RouteTables", "CustomerGateways", "Vpcs")
        saved = {kind: world.execute("ec2", f"Describe{kind}", {})[kind] for kind in kinds}
        _check_own_errors(json.dumps(saved, default=str).encode(), tmp_path / "bad.json")


def _check_own_errors(good: bytes, path: Path) -> None:
    for seed in SEEDS:
        path.write_bytes(damaged(good, seed))
        assert isinstance(_outcome(lambda: load(str(path))), Scenario | UsageError)


def _outcome(read: Callable[[], object]) -> object:
    """Return the result of *read*, or the error of this program that it raises."""
    try:
        return read()
    except VpnMigrateError as error:
        return error


TENFOLD = [f"&l{n};" * 10 for n in range(9)]
LAUGHS = "".join(f'<!ENTITY l{n} "{ten}">' for n, ten in enumerate(TENFOLD, start=1))
BOMB = f'<!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]><vpn_connection>&l9;</vpn_connection>'
BLOW_UP = '<!DOCTYPE x [<!ENTITY a "{}">]><vpn_connection>{}</vpn_connection>'
OUTSIDE = (
    '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><vpn_connection>&e;</vpn_connection>'
)


class TestDeviceXml:
    @pytest.mark.parametrize(
        "make",
        [
            lambda: BOMB,
            lambda: BLOW_UP.format("a" * 10_000, "&a;" * 1000),
            lambda: OUTSIDE,
            lambda: '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd"><vpn_connection/>',
            lambda: "<vpn_connection>" + "x" * (MOST_CHARACTERS + 1),
            lambda: "<a>" * 100_000,
            lambda: '<?xml version="1.0" encoding="utf-99"?><vpn_connection/>',
            lambda: '<?xml version="1.0" encoding="utf-16"?><vpn_connection/>',
            lambda: "\udcff<vpn_connection/>",
            lambda: "",
        ],
        ids=[
            "laughs",
            "blow-up",
            "file",
            "dtd",
            "huge",
            "deep",
            "utf-99",
            "utf-16",
            "half",
            "none",
        ],
    )
    def test_hostile_xml_is_refused(self, make: Callable[[], str]):
        """Entities, bombs, endless documents and wrong encodings are refused quickly."""
        with pytest.raises(ConfigurationError) as refused:
            parse_configuration(make())

        assert len(refused.value.message) < 200

    def test_a_hundred_megabytes_are_refused_unread(self):
        """A document that is too long is refused because of its length."""
        with pytest.raises(ConfigurationError, match="104857600 characters"):
            parse_configuration("x" * (100 * 1024 * 1024))

    def test_damaged_documents(self):
        """A damaged document is refused, or read with two tunnels; no key is in the refusal."""
        good = a_document().encode()
        for seed in range(300):
            text = damaged(good, seed).decode("utf-8", "surrogateescape")

            found = _outcome(partial(parse_configuration, text))

            assert isinstance(found, DeviceConfiguration | ConfigurationError)
            assert "Key_" not in str(found)
