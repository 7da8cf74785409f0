"""Signed plans and approvals on the command line, with real SSH keys."""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import structs

from tests.cli.terminal import Ran, Terminal
from tests.support.signing import KeyRing, a_program
from vpnmigrate.cli.bundle_signatures import signed_documents
from vpnmigrate.cli.bundles import REPORTS
from vpnmigrate.cli.main import run_command
from vpnmigrate.cli.sandbox_dependencies import SandboxDependencies
from vpnmigrate.journal.chain import chained, genesis, read_chain
from vpnmigrate.journal.records import Approved, Entry, PlanSigned
from vpnmigrate.local import bundle
from vpnmigrate.local.documents import approval_content, load_approval, load_plan
from vpnmigrate.local.journal_file import read_journal
from vpnmigrate.local.lock import this_process
from vpnmigrate.local.run_directory import Runs
from vpnmigrate.local.signatures import SignatureTerms, check_plan, signers_at
from vpnmigrate.local.ssh_keygen import SshKeygen
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.plan import fingerprint_of
from vpnmigrate.model.signatures import SignedText
from vpnmigrate.planning.approvals import with_digest
from vpnmigrate.report.document import html, markdown
from vpnmigrate.report.evidence import RunEvidence, as_json, document


def arn(name: str) -> str:
    return f"arn:aws:iam::123456789012:user/{name}"


class Sts:
    """STS as *name* sees it."""

    def __init__(self, sts: Any, name: str) -> None:
        self._sts, self._name = sts, name

    def get_caller_identity(self) -> Any:
        return {**self._sts.get_caller_identity(), "Arn": arn(self._name)}


class PersonsClients:
    """Clients of the sandbox with a person's credentials."""

    def __init__(self, clients: Any, name: str) -> None:
        self._clients, self._name = clients, name

    def sts(self) -> Sts:
        return Sts(self._clients.sts(), self._name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._clients, name)


class Person(SandboxDependencies):
    """A person at a terminal of their own."""

    def __init__(self, terminal: Terminal, name: str) -> None:
        super().__init__(terminal.world)
        self.me = this_process(name, f"{name}s-desk")
        self._name = name

    def clients(self, aws: Any) -> Any:
        return PersonsClients(super().clients(aws), self._name)


class Board:
    """Ann plans and operates, Bob approves; the list of signers has both, and Carol."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.place = terminal.place
        self.ring = KeyRing(self.place / "keys")
        self.signers = self.place / "allowed_signers"
        self.write(*(self.line(name) for name in ("ann", "bob", "carol")))
        self.rules = "required: 1, four_eyes: true, signed: true, valid: 2d"

    def line(self, name: str, options: str = "", key: str = "") -> str:
        return self.ring.line(arn(name), key or name, options)

    def write(self, *lines: str) -> None:
        self.signers.write_text("".join(lines))

    def run(self, name: str, *words: str) -> Ran:
        """Run one command as *name*."""
        mine, self.terminal.parts = self.terminal.parts, Person(self.terminal, name)
        try:
            return self.terminal.run(*words)
        finally:
            self.terminal.parts = mine

    def key(self, name: str) -> tuple[str, str]:
        return "--sign-key", str(self.ring.key(name))

    def plan(self, *words: str, by: str = "ann") -> Ran:
        (self.place / "mine.yaml").write_text(
            f"name: mine\nsummary: s\ndecisions:\n  approvals: {{{self.rules}}}\n"
        )
        gateway = ("--vpn-gateway", self.terminal.gateway)
        book = ("--playbook", "./mine.yaml", "--allowed-signers", "allowed_signers")
        return self.run(by, "plan", *gateway, *book, "-o", "plan.json", *words)

    def planned(self) -> str:
        """Plan, signed by Ann, and return the migration."""
        ran = self.plan(*self.key("ann"))
        assert ran.code == 0, ran.err
        migration: str = json.loads((self.place / "plan.json").read_text())["migration"]
        return migration

    def approve(self, name: str = "bob", *words: str, key: str = "") -> Ran:
        file = ("-o", f"{name}.json")
        ran = self.run(name, "approve", "plan.json", *file, *self.key(key or name), *words)
        assert ran.code == 0, ran.err
        return ran

    def apply(self, *names: str, by: str = "ann") -> Ran:
        files = [word for name in names for word in ("--approval", f"{name}.json")]
        return self.run(by, "apply", "plan.json", *files)

    def records(self, run: str, kind: type) -> list[Any]:
        entries = read_journal(Runs(self.place / "home" / "runs").find(run)).entries
        return [entry.record for entry in entries if isinstance(entry.record, kind)]

    def gate(self, run: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = self.terminal.status(run)["gates"]["gates"]
        return next(gate for gate in found if gate["gate"] == "approvals")


class Quiet(Terminal):
    """A terminal for a fixture that more than one test uses."""

    def __init__(self, place: Path) -> None:
        self.clock = VirtualClock()
        self.place = place
        self.scenario("single-bgp")

    def run_bare(self, *words: str) -> Ran:
        out, err = StringIO(), StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = run_command((*words, *self._home(words)), self.parts)
        return Ran(code, out.getvalue(), err.getvalue())

    def _home(self, words: tuple[str, ...]) -> tuple[str, ...]:
        return () if words[0] == "approve" else ("--run-dir", "home/runs")


@pytest.fixture
def board(terminal: Terminal) -> Board:
    return Board(terminal)


def by_hand(board: Board, name: str, kind: str, file: str) -> None:
    """Sign *file* with ssh-keygen alone, over an earlier signature."""
    (board.place / f"{file}.sig").unlink(missing_ok=True)
    words = ["ssh-keygen", "-q", "-Y", "sign", "-n", kind, "-f", str(board.ring.key(name)), file]
    subprocess.run(words, check=True, timeout=30, capture_output=True)


def words_of(ran: Ran) -> str:
    return " ".join(ran.err.split())


def test_plan_and_approval_signed_by_two_people_open_the_gate(board: Board) -> None:
    """Ann's signed plan and Bob's signed approval let the cutover begin."""
    run = board.planned()
    given = board.approve()

    applied = board.apply("bob")

    assert applied.code == 0, applied.err
    assert "bob.json.sig" in given.out
    assert board.ring.fingerprint("bob") in given.out
    (approved,), (plan,) = board.records(run, Approved), board.records(run, PlanSigned)
    assert approved.signed.signature == (board.place / "bob.json.sig").read_text()
    assert plan.signature == (board.place / "plan.json.sig").read_text()
    assert f"Approved by {arn('bob')} (bob), signed." in words_of(applied)
    assert board.terminal.status(run)["approvals"][0]["signed"] is True


@pytest.mark.parametrize(
    ("file", "kind", "name"), [("plan.json", "plan", "ann"), ("bob.json", "approval", "bob")]
)
def test_ssh_keygen_alone_verifies_the_files(board: Board, file: str, kind: str, name: str) -> None:
    """Neither run nor program is needed to verify a plan or an approval."""
    board.planned()
    board.approve()
    words = ["ssh-keygen", "-Y", "verify", "-f", "allowed_signers", "-I", arn(name)]
    at = "verify-time=20270101000000Z"

    verified = subprocess.run(
        [*words, "-n", f"vpnmigrate-{kind}", "-s", f"{file}.sig", "-O", at],
        input=(board.place / file).read_bytes(),
        timeout=30,
        capture_output=True,
        check=False,
    )

    assert verified.returncode == 0, verified.stderr


def test_files_that_were_signed_by_hand_count(board: Board) -> None:
    """The commands that plan and approve print sign the files with ssh-keygen alone."""
    planned = board.plan("--json")
    unsigned = board.run("bob", "approve", "plan.json", "-o", "bob.json", "--json").document
    text = board.run("bob", "approve", "plan.json", "-o", "bob.json").out
    refused = board.apply("bob")
    by_hand(board, "ann", "vpnmigrate-plan", "plan.json")
    by_hand(board, "bob", "vpnmigrate-approval", "bob.json")

    applied = board.apply("bob")

    assert (planned.code, planned.document["signature"]) == (0, None)
    assert unsigned["signature"] is None
    assert "any person who can write the file" in unsigned["cannot_prove"][0]
    assert "ssh-keygen -Y sign -n vpnmigrate-approval -f KEY bob.json" in text
    assert refused.code == 4
    assert applied.code == 0, applied.err


def test_an_unsigned_plan_is_not_started(board: Board) -> None:
    """A plan that demands signatures and has none is refused before anything is created."""
    board.plan()

    ran = board.run("ann", "apply", "plan.json", "--until", "cutover")

    assert ran.code == 4
    assert "the plan is not signed; nothing was started" in words_of(ran)
    assert "ssh-keygen -Y sign -n vpnmigrate-plan -f KEY" in words_of(ran)


def test_a_plan_that_was_edited_after_it_was_signed_is_not_started(board: Board) -> None:
    """The fingerprint ignores white space; the signature covers every byte of the file."""
    board.planned()
    file = board.place / "plan.json"
    file.write_bytes(file.read_bytes() + b"\n")

    ran = board.apply()

    assert (ran.code, "the plan does not match its signature" in words_of(ran)) == (4, True)


def test_a_plan_that_another_person_signed_is_not_started(board: Board) -> None:
    """The plan names its author, who has to be its signer."""
    board.plan(*board.key("carol"))

    ran = board.apply()

    assert ran.code == 4
    assert f"does not list for {arn('ann')}" in words_of(ran)


def test_an_unsigned_approval_is_refused(board: Board) -> None:
    """The message names the missing file, and how to sign."""
    board.planned()
    board.approve()
    (board.place / "bob.json.sig").unlink()

    ran = board.apply("bob")

    assert ran.code == 4
    assert "bob.json is not signed" in words_of(ran)
    assert "--sign-key KEY" in words_of(ran)


def unlisted(board: Board) -> None:
    board.approve("bob", key="eve")


def of_another_purpose(board: Board) -> None:
    board.approve()
    by_hand(board, "bob", "git", "bob.json")


def swapped(board: Board) -> None:
    board.approve()
    board.approve("carol")
    shutil.copy(board.place / "carol.json.sig", board.place / "bob.json.sig")


def in_the_name_of_another(board: Board) -> None:
    board.approve("bob", key="carol")


def a_link(board: Board) -> None:
    board.approve()
    (board.place / "bob.json.sig").rename(board.place / "real.sig")
    (board.place / "bob.json.sig").symlink_to("real.sig")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (unlisted, "does not list"),
        (of_another_purpose, "is signed for another purpose ('git'"),
        (swapped, "does not match its signature"),
        (in_the_name_of_another, f"does not list for {arn('bob')}"),
        (a_link, "it is a link"),
    ],
)
def test_an_approval_that_its_approver_did_not_sign_is_refused(
    board: Board, change, text: str
) -> None:
    """It is not written to the journal, and nothing is started."""
    run = board.planned()
    change(board)

    ran = board.apply("bob")

    assert (ran.code, text in words_of(ran)) == (4, True), ran.err
    assert board.records(run, Approved) == []


def test_an_approval_that_was_changed_with_its_digest_is_refused(board: Board) -> None:
    """A new digest repairs the file, and not the signature."""
    board.planned()
    board.approve()
    file = board.place / "bob.json"
    changed = structs.replace(load_approval(file).approval, host="elsewhere")
    file.write_bytes(approval_content(with_digest(changed)))

    assert "does not match its signature" in words_of(board.apply("bob"))


class TestTrust:
    def test_without_a_list_nothing_is_planned(self, board: Board) -> None:
        """A playbook that demands signatures needs a list of signers."""
        ran = board.run(
            "ann", "plan", "--vpn-gateway", board.terminal.gateway, "--playbook", "four-eyes"
        )

        assert ran.code == 2
        assert "vpnmigrate plan --allowed-signers FILE" in words_of(ran)

    def test_another_list_is_not_trusted(self, board: Board) -> None:
        """The plan has the hash of its list: with a changed one no approval counts."""
        board.planned()
        board.approve()
        board.write(board.line("ann"), board.line("bob", key="eve"))

        ran = board.apply("bob")

        assert ran.code == 4
        assert "differs from what it was when the plan was made" in words_of(ran)

    def test_a_plan_that_names_another_list_was_edited(self, board: Board) -> None:
        """A plan without the hash of its list is refused, also with a new fingerprint."""
        board.planned()
        document = json.loads((board.place / "plan.json").read_text())
        document["decisions"]["approvals"]["allowed_signers"] = "/etc/other"
        document["fingerprint"] = fingerprint_of(document)
        (board.place / "plan.json").write_text(json.dumps(document))

        ran = board.apply()

        assert (ran.code, "was edited" in words_of(ran)) == (4, True)

    def test_the_list_is_read_without_following_a_link(self, board: Board) -> None:
        """A list that was replaced by a link is refused."""
        board.planned()
        board.approve()
        board.signers.rename(board.place / "real")
        board.signers.symlink_to("real")

        assert "it is a link" in words_of(board.apply("bob"))

    def test_an_expired_entry_is_refused(self, board: Board) -> None:
        """The times in the list are honoured, at the time of the approval."""
        board.write(board.line("ann"), board.line("bob", 'valid-before="20251231"'))
        board.planned()
        board.approve()

        ran = board.apply("bob")

        assert (ran.code, "does not list" in words_of(ran)) == (4, True)

    @pytest.mark.parametrize(("name", "text"), [("bob", "bob.json is"), ("ann", "the plan is")])
    def test_a_key_that_expired_since_cannot_use_an_older_date(
        self, board: Board, name: str, text: str
    ) -> None:
        """The signer chooses the time in the document, so the key has to be listed now too."""
        ends = board.terminal.clock.wall() + timedelta(hours=1)
        names = ("ann", "bob")
        until = f'valid-before="{ends:%Y%m%d%H%M%S}Z"'
        board.write(*(board.line(each, until if each == name else "") for each in names))
        board.planned()
        board.approve()
        board.terminal.clock.sleep(timedelta(hours=2))

        ran = board.apply("bob")

        assert ran.code == 4
        assert f"{text} signed with {board.ring.fingerprint(name)}" in words_of(ran)
        assert "does not list" in words_of(ran)

    def test_the_signed_file_has_to_contain_the_plan_in_force(self, board: Board) -> None:
        """A signature of another plan by the same author does not count for this one."""
        board.planned()
        plan, trust = load_plan(board.place / "plan.json"), signers_at(board.signers)
        board.plan(*board.key("ann"), "--change", "CHG2")
        other = SignedText(
            (board.place / "plan.json").read_text(), (board.place / "plan.json.sig").read_text()
        )

        found = check_plan(SshKeygen(), trust, plan, other, SignatureTerms())

        assert found.fault == "differs from the file that was signed"

    def test_a_key_revoked_after_the_approval_closes_the_gate(self, board: Board) -> None:
        """Revoked keys are read again for each check."""
        revoked = board.place / "revoked"
        revoked.write_text("")
        board.rules += f", revoked_keys: {revoked}"
        run = board.planned()
        board.approve()
        staging = ("--until", "cutover", "--approval", "bob.json")
        assert board.run("ann", "apply", "plan.json", *staging).code == 0
        revoked.write_text(board.ring.public("bob") + "\n")

        ran = board.run("ann", "apply", run)

        assert ran.code == 3
        assert "is signed with the revoked key" in board.gate(run)["observed"]

    def test_without_ssh_keygen_nothing_is_started(self, board: Board) -> None:
        """Signatures that cannot be checked do not count, and the message says why."""
        run = board.planned()
        board.approve()
        staging = ("--until", "cutover", "--approval", "bob.json")
        assert board.run("ann", "apply", "plan.json", *staging).code == 0
        person = Person(board.terminal, "ann")
        person.keygen = SshKeygen(places=())
        board.terminal.parts = person

        ran = board.terminal.run("apply", run)

        assert (ran.code, "there is no ssh-keygen on this host" in words_of(ran)) == (4, True)

    def test_a_rollback_needs_no_signature(self, board: Board, tmp_path: Path) -> None:
        """A rollback works without ssh-keygen, and with a list that was changed."""
        run = board.planned()
        board.approve()
        assert board.apply("bob").code == 0
        board.signers.unlink()
        (board.place / "plan.json.sig").unlink()
        (board.place / "plan.json.sig").symlink_to("/nowhere")
        person = Person(board.terminal, "ann")
        person.keygen = SshKeygen(a_program(tmp_path / "bad", "sleep 600"))
        board.terminal.parts = person

        assert board.terminal.run("rollback", "plan.json").code == 0
        assert board.terminal.status(run)["status"] == "rolled-back"


class TestFourEyes:
    def observed(self, board: Board, *names: str, by: str = "ann") -> str:
        run = board.planned()
        for name in names:
            board.approve(name)
        assert board.apply(*names, by=by).code == 3
        observed: str = board.gate(run)["observed"]
        return observed

    def test_the_operator_cannot_approve(self, board: Board) -> None:
        """Carol operates Ann's plan, so Carol's approval does not count."""
        observed = self.observed(board, "carol", by="carol")

        assert "the operator cannot approve their own change" in observed

    def test_the_author_cannot_approve(self, board: Board) -> None:
        """Carol operates, and Ann's approval of her own plan does not count."""
        assert "the author of the plan cannot approve it" in self.observed(board, "ann", by="carol")

    def test_the_authors_key_cannot_approve(self, board: Board) -> None:
        """One key under two names is one person."""
        board.write(board.line("ann"), board.line("bob", key="ann"))
        run = board.planned()
        board.approve("bob", key="ann")

        assert board.apply("bob").code == 3
        assert "the key of the plan's author" in board.gate(run)["observed"]

    @pytest.mark.parametrize("whose", ["operator", "author of the plan"])
    def test_a_key_that_is_listed_for_both_does_not_count(self, board: Board, whose: str) -> None:
        """With a pattern in the list, its key proves nothing about which person signed."""
        person = "carol" if whose == "operator" else "ann"
        board.write(
            board.line("ann"),
            board.line("carol"),
            board.ring.line(f"{arn('bob')},{arn(person)[:-1]}?", "other"),
        )
        run = board.planned()
        board.approve("bob", key="other")

        assert board.apply("bob", by="carol").code == 3
        observed = board.gate(run)["observed"]
        assert f"also for {arn(person)}, the {whose}" in observed

    def test_without_four_eyes_a_pattern_may_list_them(self, board: Board) -> None:
        """A plan that accepts the operator's own approval accepts such a key."""
        board.rules = "required: 1, signed: true, valid: 2d"
        board.write(board.line("ann"), board.ring.line(arn("*"), "other"))
        board.planned()
        board.approve("bob", key="other")

        assert board.apply("bob").code == 0

    def test_one_key_approves_once(self, board: Board) -> None:
        """Two approvals with one key count once, whatever names they have."""
        board.rules = "required: 2, signed: true, valid: 2d"
        board.write(board.line("ann"), board.line("bob"), board.line("carol", key="bob"))
        run = board.planned()
        board.approve("bob")
        board.approve("carol", key="bob")

        assert board.apply("bob", "carol").code == 3
        assert "has signed another approval already" in board.gate(run)["observed"]


class TestAnotherAttempt:
    def test_after_a_rollback_the_first_approval_no_longer_counts(self, board: Board) -> None:
        """Another attempt needs an approval that names the rollback; status prints its command."""
        run = board.planned()
        board.approve()
        assert board.apply("bob").code == 0
        assert board.run("ann", "rollback", run).code == 0
        held = board.run("ann", "apply", run)
        observed = board.gate(run)["observed"]
        board.run("ann", "rollback", run)
        again = board.terminal.status(run)["approve_again"]
        words = shlex.split(again.replace("KEY", str(board.ring.key("bob"))))[1:]
        old = board.apply("bob")

        given = board.run("bob", *words, "-o", "bob.json")
        applied = board.apply("bob")

        assert (held.code, "for an attempt that was rolled back" in observed) == (3, True)
        assert (old.code, "for an attempt that was rolled back" in words_of(old)) == (4, True)
        assert "--sign-key KEY" in words_of(old)
        assert given.code == 0, given.err
        assert applied.code == 0, applied.err

    def test_it_does_not_depend_on_signatures(self, board: Board) -> None:
        """An unsigned approval is bound to its attempt as well."""
        board.rules = "required: 1"
        run = board.planned()
        board.approve()
        assert board.apply("bob").code == 0
        assert board.run("ann", "rollback", run).code == 0

        assert board.apply("bob").code == 4

    def test_an_approval_of_a_later_attempt_is_none_of_the_first(self, board: Board) -> None:
        """An approval names the attempt that it is for."""
        board.planned()
        board.approve("bob", "--after", "12-0123456789abcdef")

        ran = board.apply("bob")

        assert (ran.code, "not the first attempt" in words_of(ran)) == (4, True)

    def test_a_name_that_is_no_rollback_is_a_usage_error(self, board: Board) -> None:
        """A mistyped option is refused before AWS is called."""
        board.planned()

        assert board.run("bob", "approve", "plan.json", "--after", "x").code == 2


def test_a_signature_that_is_there_is_checked_if_signers_are_named(board: Board) -> None:
    """Without a demand an unsigned approval counts, and one with a bad signature does not."""
    board.rules = "required: 1"
    board.planned()
    board.approve("bob", key="eve")
    bad = board.apply("bob")
    (board.place / "bob.json.sig").unlink()

    assert bad.code == 4
    assert board.apply("bob").code == 0


def test_a_stale_signature_is_removed(board: Board) -> None:
    """A file that is written again without a key has no signature of its former content."""
    board.planned()
    board.plan()

    assert not (board.place / "plan.json.sig").exists()


def test_nothing_is_written_if_it_cannot_be_signed(board: Board) -> None:
    """Without a signature that was asked for, there is no unsigned file either."""
    board.planned()
    words = ("--sign-key", str(board.place / "none"))

    ran = board.run("bob", "approve", "plan.json", "-o", "bob.json", *words)

    assert ran.code == 2
    assert not (board.place / "bob.json").exists()


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a migrated run with its signed bundle; a test works in a copy."""
    place = tmp_path_factory.mktemp("migrated")
    with chdir(place):
        board = Board(Quiet(place))
        run = board.planned()
        board.approve()
        assert board.apply("bob").code == 0
        ran = board.run("ann", "report", run, "--bundle", "evidence.zip", *board.key("ann"))
    assert ran.code == 0, ran.err
    assert board.ring.fingerprint("ann") in ran.out
    return place


def without_plan_signature(entries: Sequence[Entry]) -> list[Entry]:
    return [each for each in entries if not isinstance(each.record, PlanSigned)]


def without_approval(entries: Sequence[Entry]) -> list[Entry]:
    return [each for each in entries if not isinstance(each.record, Approved)]


def without_signed_approval(entries: Sequence[Entry]) -> list[Entry]:
    return [
        structs.replace(each, record=structs.replace(each.record, signed=None))
        if isinstance(each.record, Approved)
        else each
        for each in entries
    ]


class TestEvidence:
    @pytest.fixture
    def packed(self, terminal: Terminal, migrated: Path) -> Board:
        shutil.copytree(migrated, terminal.place, dirs_exist_ok=True)
        return Board(terminal)

    def verify(self, board: Board, file: str = "evidence.zip", *words: str) -> Ran:
        trust = ("--allowed-signers", "allowed_signers")
        return board.terminal.run("report", "verify", file, *trust, *words)

    def test_the_signer_and_all_that_was_signed_are_proven(self, packed: Board) -> None:
        """Bundle, plan and approval verify with the list of signers alone."""
        ran = self.verify(packed)
        found = self.verify(packed, "evidence.zip", "--json").document

        assert ran.code == 0, ran.err
        output = " ".join(ran.out.split())
        assert f"{arn('ann')} signed the whole bundle, and with it the journal's head" in output
        assert f"the plan was signed by its author {arn('ann')}" in output
        assert f"was signed by {arn('bob')} with {packed.ring.fingerprint('bob')}" in output
        assert "the list of signers is the one that the plan names" in output
        assert "who wrote it" not in output
        assert (found["signer"], found["key"]) == (arn("ann"), packed.ring.fingerprint("ann"))

    def test_without_a_list_it_is_said_that_nothing_was_checked(self, packed: Board) -> None:
        """A signature that was not checked proves nothing, and the result says so."""
        found = packed.terminal.run("report", "verify", "evidence.zip", "--json").document

        assert (found["signed"], found["signer"]) == (True, None)
        assert "it was not checked" in found["cannot_prove"][0]

    def test_files_in_it_verify_with_ssh_keygen_alone(self, packed: Board) -> None:
        """Whoever unpacks it needs no program to verify bundle, plan and approval."""
        place = packed.place
        with zipfile.ZipFile(place / "evidence.zip") as archive:
            archive.extractall(place / "unpacked")
        signed = {
            "evidence.zip": ("evidence", "ann"),
            "unpacked/plan.json": ("plan", "ann"),
            "unpacked/approvals/1.json": ("approval", "bob"),
        }
        for file, (kind, name) in signed.items():
            words = ["ssh-keygen", "-Y", "verify", "-f", "allowed_signers", "-I", arn(name)]
            subprocess.run(
                [*words, "-n", f"vpnmigrate-{kind}", "-s", f"{file}.sig"],
                input=(place / file).read_bytes(),
                timeout=30,
                capture_output=True,
                check=True,
            )
        about = json.loads((place / "unpacked" / "manifest.json").read_text())["about"]
        last = (place / "unpacked" / "journal.jsonl").read_bytes().splitlines()[-1]
        assert about["head"] == hashlib.sha256(last).hexdigest()

    def test_a_cut_tail_is_found(self, packed: Board) -> None:
        """A journal that was cut, with manifest and reports made anew, is not what was signed."""
        raw = cut(packed.place / "evidence.zip", lines=5)
        (packed.place / "cut.zip").write_bytes(raw)
        unsigned = packed.terminal.run("report", "verify", "cut.zip")
        shutil.copy(packed.place / "evidence.zip.sig", packed.place / "cut.zip.sig")

        ran = self.verify(packed, "cut.zip")

        assert unsigned.code == 0, "without a signature, the cut leaves no trace"
        assert (ran.code, "does not match its signature" in words_of(ran)) == (1, True)

    @pytest.mark.parametrize(
        ("name", "text"), [("eve", "does not list for any name"), ("bob", "does not list for")]
    )
    def test_another_signer_is_refused(self, packed: Board, name: str, text: str) -> None:
        """A key that is not listed, or not for evidence, proves nothing."""
        only = 'namespaces="vpnmigrate-approval"'
        packed.write(packed.line("ann"), packed.line("bob", only))
        by_hand(packed, name, "vpnmigrate-evidence", "evidence.zip")

        ran = self.verify(packed)

        assert (ran.code, text in words_of(ran)) == (1, True)

    def test_an_unsigned_bundle_is_refused_if_signers_are_named(self, packed: Board) -> None:
        """A person who names signers wants a signature."""
        (packed.place / "evidence.zip.sig").unlink()

        ran = self.verify(packed)

        assert (ran.code, "it is not signed" in words_of(ran)) == (1, True)

    def test_an_approver_who_is_not_trusted_is_named(self, packed: Board) -> None:
        """The signatures in the bundle have to verify with the same list."""
        packed.write(packed.line("ann"))

        ran = self.verify(packed)

        assert (ran.code, f"approval 1, by {arn('bob')}" in words_of(ran)) == (1, True)

    @pytest.mark.parametrize(
        ("change", "text"),
        [
            (without_plan_signature, "the gate of approvals passed without a signed plan"),
            (without_signed_approval, "it is not signed, but the plan demands signatures"),
            (without_approval, "it fails with the signed approvals"),
        ],
    )
    def test_signatures_that_the_plan_demands_are_not_left_out(
        self, packed: Board, change, text: str
    ) -> None:
        """The operator's own signature of the bundle does not replace those of the others."""
        raw = forged(packed.place / "evidence.zip", change)
        (packed.place / "evidence.zip").write_bytes(raw)
        by_hand(packed, "ann", "vpnmigrate-evidence", "evidence.zip")

        ran = self.verify(packed)

        assert (ran.code, text in words_of(ran)) == (1, True), ran.err

    def test_the_same_rules_hold_as_at_the_gate(self, packed: Board) -> None:
        """A list that has the approver's key for the operator too proves no second person."""
        packed.write(packed.line("ann"), packed.line("bob"), packed.line("ann", key="bob"))

        ran = self.verify(packed)

        assert (ran.code, "it fails with the signed approvals" in words_of(ran)) == (1, True)

    def test_a_key_that_expired_since_still_verifies(self, packed: Board) -> None:
        """Evidence is verified years later, at the times of its documents."""
        until = 'valid-before="20260201Z"'
        packed.write(packed.line("ann", until), packed.line("bob", until))

        assert self.verify(packed).code == 0

    def test_a_revoked_key_is_refused(self, packed: Board) -> None:
        """Keys that were revoked since are named by the person who verifies."""
        (packed.place / "revoked").write_text(packed.ring.public("ann") + "\n")

        ran = self.verify(packed, "evidence.zip", "--revoked-keys", "revoked")

        assert (ran.code, "is signed with the revoked key" in words_of(ran)) == (1, True)

    def test_a_key_without_a_bundle_is_a_usage_error(self, packed: Board) -> None:
        """A report is not signed; only a bundle is."""
        run = json.loads((packed.place / "plan.json").read_text())["migration"]

        assert packed.run("ann", "report", run, *packed.key("ann")).code == 2


def cut(file: Path, *, lines: int) -> bytes:
    """Return the bundle in *file* without the last *lines* of its journal, made anew."""
    return forged(file, lambda entries: entries[:-lines])


def forged(file: Path, change: Callable[[Sequence[Entry]], Sequence[Entry]]) -> bytes:
    """Return the bundle in *file* with a changed journal, made anew."""
    members = bundle.unpack(file.read_bytes())
    about = bundle.manifest_of(members).about
    changed = change(read_chain(members["journal.jsonl"], about.run).entries)
    placed = [structs.replace(entry, seq=number) for number, entry in enumerate(changed, start=1)]
    text = chained(placed, genesis(about.run)).text
    contents = read_chain(text, about.run)
    entries = len(contents.entries)
    forged = structs.replace(about, entries=entries, head=contents.head)
    kept = (n for n in members if n not in (bundle.MANIFEST, *REPORTS) and ".sig" not in n)
    files = {name: members[name] for name in kept if not name.startswith("approvals/")}
    files["journal.jsonl"] = text
    plan = load_plan(file.parent / "plan.json")
    files |= signed_documents(contents.entries, plan.fingerprint)
    evidence = RunEvidence(about.run, plan, contents.entries, None, None)
    output = document(evidence)
    data = msgspec.json.format(msgspec.json.encode(as_json(evidence)), indent=2) + b"\n"
    made = (html(output).encode(), data, markdown(output).encode())
    return bundle.pack(forged, {**files, **dict(zip(REPORTS, made, strict=True))})
