"""``ssh-keygen``: what it signs and accepts, and every way in which it refuses or fails."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.signing import KeyRing, a_program, key_of, with_key, with_zeros
from vpnmigrate.local.readable import readable
from vpnmigrate.local.ssh_keygen import REQUIRED, SshKeygen, TrustedSigners, key_and_namespace
from vpnmigrate.model.errors import RefusedError, UsageError
from vpnmigrate.model.signatures import CheckedSignature, SignedKind

BOB = "arn:aws:iam::123456789012:user/bob"
AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TEXT = b'{"approved": true}\n'
APPROVAL, PLAN = SignedKind.APPROVAL, SignedKind.PLAN
SHORT = timedelta(milliseconds=300)


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    return KeyRing(tmp_path / "keys")


def signed(
    ring: KeyRing, name: str = "bob", text: bytes = TEXT, kind: SignedKind = APPROVAL
) -> str:
    return SshKeygen().sign(text, ring.key(name), kind, attended=False)


def check(
    signature: str, trust: TrustedSigners, keygen: SshKeygen | None = None, **changes: Any
) -> CheckedSignature:
    usual = {"content": TEXT, "kind": APPROVAL, "principal": BOB, "at": AT}
    given: dict[str, Any] = {**usual, **changes}
    return (keygen or SshKeygen()).check(given.pop("content"), signature, trust, **given)


def test_a_listed_key_signs_for_its_principal(ring: KeyRing) -> None:
    """A good signature has no fault, and the fingerprint that ``ssh-keygen -l`` shows."""
    trust = ring.trust(ring.line(BOB, "bob", 'namespaces="vpnmigrate-approval"'))

    assert check(signed(ring), trust) == CheckedSignature(key=ring.fingerprint("bob"))


def test_ssh_keygen_alone_accepts_what_was_signed(ring: KeyRing, tmp_path: Path) -> None:
    """The signature is an ordinary one: ``ssh-keygen -Y verify`` accepts it by hand."""
    (tmp_path / "allowed").write_text(ring.line(BOB, "bob"))
    (tmp_path / "file.sig").write_text(signed(ring))
    words = ["ssh-keygen", "-Y", "verify", "-f", "allowed", "-I", BOB]

    by_hand = subprocess.run(
        [*words, "-n", "vpnmigrate-approval", "-s", "file.sig"],
        input=TEXT,
        cwd=tmp_path,
        timeout=30,
        capture_output=True,
        check=False,
    )

    assert by_hand.returncode == 0, by_hand.stderr


OF_PLANS = 'namespaces="vpnmigrate-plan"'
EXPIRED = 'valid-before="20260301"'
NOT_YET = 'valid-after="20260302"'


@pytest.mark.parametrize(
    ("options", "changes", "text"),
    [
        ("", {"kind": PLAN}, "is signed for another purpose ('vpnmigrate-approval'"),
        ("", {"content": TEXT + b" "}, "does not match its signature"),
        ("", {"principal": BOB + "by"}, "allowed_signers does not list for " + BOB + "by"),
        ("", {"principal": "*"}, "does not list for *"),
        ("", {"principal": ""}, "names no signer"),
        ("", {"principal": "bob\n"}, "names no signer"),
        (OF_PLANS, {}, "does not list"),
        (EXPIRED, {}, "at 2026-03-01 12:00Z"),
        (NOT_YET, {}, "at 2026-03-01 12:00Z"),
    ],
)
def test_a_signature_counts_for_its_file_purpose_signer_and_time(
    ring: KeyRing, options: str, changes: dict[str, Any], text: str
) -> None:
    """Another file, purpose, signer or time is refused, and the message says which."""
    found = check(signed(ring), ring.trust(ring.line(BOB, "bob", options)), **changes)

    assert text in found.fault
    assert not found.undecided


@pytest.mark.parametrize("options", [EXPIRED, NOT_YET])
def test_the_time_that_counts_is_that_of_the_document(ring: KeyRing, options: str) -> None:
    """A key that was valid at the time of the document stays good for it; times are UTC."""
    trust = ring.trust(ring.line(BOB, "bob", options))
    at = AT - timedelta(days=1) if options == EXPIRED else AT + timedelta(days=1)

    assert check(signed(ring), trust, at=at).fault == ""


def test_an_unlisted_key_is_named(ring: KeyRing) -> None:
    """A key that is not listed proves nothing; the message has its fingerprint."""
    found = check(signed(ring, "eve"), ring.trust(ring.line(BOB, "bob")))

    assert ring.fingerprint("eve") in found.fault
    assert "does not list" in found.fault


def test_a_revoked_key_is_refused(ring: KeyRing) -> None:
    """A list of revoked keys is honoured; an empty one revokes nothing."""
    line, revoked = ring.line(BOB, "bob"), ring.public("bob").encode() + b"\n"

    assert "revoked key" in check(signed(ring), ring.trust(line, revoked=revoked)).fault
    assert check(signed(ring), ring.trust(line, revoked=b"")).fault == ""


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "",
        lambda text: "x" + text,
        lambda text: text[: len(text) // 2],
        lambda text: text.replace("U1NIU0lH", "U1NIU0lI"),
        lambda text: text.replace("\n", "\n!", 2),
        lambda text: "-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----\n",
    ],
)
def test_what_is_no_signature_is_refused(ring: KeyRing, change) -> None:
    """A damaged signature is a fault, never an error of the program."""
    found = check(change(signed(ring)), ring.trust(ring.line(BOB, "bob")))

    assert found.fault == "has a signature that is not in SSH's format"


def test_the_signer_of_a_file_is_found_by_key(ring: KeyRing) -> None:
    """The names of a key are listed, without those that it must not use."""
    trust = ring.trust(ring.line("eve", "eve"), ring.line(f"{BOB},!x,ops", "bob"))

    assert SshKeygen().principals(signed(ring), trust, AT) == (BOB, "ops")
    assert SshKeygen().principals(signed(ring, "carol"), trust, AT) == ()


def test_a_key_that_is_missing_is_a_usage_error(tmp_path: Path) -> None:
    """The message names the file."""
    with pytest.raises(UsageError, match="no file"):
        SshKeygen().sign(TEXT, tmp_path / "none", APPROVAL, attended=False)


class TestWithoutAGoodProgram:
    def fault(self, ring: KeyRing, keygen: SshKeygen) -> CheckedSignature:
        return check(signed(ring), ring.trust(ring.line(BOB, "bob")), keygen)

    def refusal(self, ring: KeyRing, keygen: SshKeygen) -> RefusedError:
        with pytest.raises(RefusedError) as refused:
            keygen.sign(TEXT, ring.key("bob"), APPROVAL, attended=False)
        return refused.value

    def test_none_is_said_so(self, ring: KeyRing) -> None:
        """Without ssh-keygen nothing is signed, and no signature is taken for good."""
        keygen = SshKeygen(places=())
        found, refused = self.fault(ring, keygen), self.refusal(ring, keygen)

        assert found.undecided
        assert found.fault == "cannot be checked: there is no ssh-keygen on this host"
        assert (refused.message, refused.advice) == (
            "there is no ssh-keygen on this host",
            REQUIRED,
        )

    @pytest.mark.parametrize(
        "said", ["unknown option -- Y", "illegal option -- Y", "usage: ssh-keygen [-q]"]
    )
    def test_an_old_version_is_said_so(self, ring: KeyRing, tmp_path: Path, said: str) -> None:
        """A version without ``-Y`` prints its usage; nothing is taken for good."""
        keygen = SshKeygen(a_program(tmp_path / "old", f"echo '{said}' >&2; exit 1"))

        assert "too old" in self.fault(ring, keygen).fault
        assert self.fault(ring, keygen).undecided
        assert "too old" in self.refusal(ring, keygen).message

    def test_one_that_does_nothing_signs_nothing(self, ring: KeyRing, tmp_path: Path) -> None:
        """A program that exits with 0 and writes no signature has not signed."""
        keygen = SshKeygen(a_program(tmp_path / "true", "exit 0"))

        assert "nothing was signed" in self.refusal(ring, keygen).message

    def test_one_that_hangs_is_killed(self, ring: KeyRing, tmp_path: Path) -> None:
        """After the limit it is ended with what it started, and nothing is taken for good."""
        places = a_program(tmp_path / "slow", f"sleep 600 & echo $! > {tmp_path}/pid; wait")
        keygen = SshKeygen(places, sign_limit=SHORT, check_limit=SHORT)

        found = self.fault(ring, keygen)
        assert found.undecided
        assert "did not end within" in found.fault
        assert _is_gone(int((tmp_path / "pid").read_text()))
        assert "did not end within" in self.refusal(ring, keygen).message
        assert _is_gone(int((tmp_path / "pid").read_text()))

    def test_it_gets_named_variables_alone(
        self, ring: KeyRing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Credentials and what decides about code stay here; an agent's socket is passed on."""
        monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")
        monkeypatch.setenv("LD_PRELOAD", "")
        places = a_program(tmp_path / "env", f"env > {tmp_path}/env.txt; exit 1")
        self.refusal(ring, SshKeygen(places))
        signing = _variables(tmp_path / "env.txt")
        self.fault(ring, SshKeygen(places))
        checking = _variables(tmp_path / "env.txt")

        assert "SSH_AUTH_SOCK" in signing
        assert [name for name in signing if name.startswith(("AWS_", "LD_", "PYTHON"))] == []
        assert checking - {"PWD", "SHLVL", "_", "OLDPWD"} == {"LC_ALL", "TZ"}


def _variables(file: Path) -> set[str]:
    return {line.partition("=")[0] for line in file.read_text().splitlines()}


def _is_gone(process: int) -> bool:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


@contextmanager
def an_agent(folder: Path) -> Iterator[str]:
    """Run an agent, and yield its socket."""
    socket = folder / "agent"
    words = ["ssh-agent", "-D", "-a", str(socket)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as agent:
        try:
            deadline = time.monotonic() + 60
            while not socket.exists() and time.monotonic() < deadline:
                time.sleep(0.01)
            yield str(socket)
        finally:
            agent.terminate()


def test_an_agent_signs_with_a_key_that_is_not_here(
    ring: KeyRing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the public file alone, the agent that has the key signs."""
    with an_agent(tmp_path) as socket:
        monkeypatch.setenv("SSH_AUTH_SOCK", socket)
        subprocess.run(["ssh-add", "-q", ring.key("bob")], check=True, timeout=30)
        ring.key("bob").rename(tmp_path / "elsewhere")
        public = ring.folder / "bob.pub"
        signature = SshKeygen().sign(TEXT, public, APPROVAL, attended=False)

    line = f"{BOB} {public.read_text()}"
    assert check(signature, TrustedSigners("allowed", line.encode())).fault == ""


def test_a_passphrase_is_not_waited_for_without_a_terminal(ring: KeyRing) -> None:
    """Without a terminal a protected key is refused at once, with the way on."""
    key = ring.key("bob", passphrase="long enough")
    began = time.monotonic()

    with pytest.raises(RefusedError, match="passphrase") as refused:
        SshKeygen().sign(TEXT, key, APPROVAL, attended=False)

    assert "ssh-add" in str(refused.value.advice)
    assert time.monotonic() - began < 60


ON_A_TERMINAL = """
import sys
from pathlib import Path
from vpnmigrate.local.ssh_keygen import SshKeygen
from vpnmigrate.model.signatures import SignedKind
key, made = map(Path, sys.argv[1:])
made.write_text(SshKeygen().sign(b"text", key, SignedKind.PLAN, attended=True))
"""


def test_a_passphrase_is_asked_for_on_a_terminal(ring: KeyRing, tmp_path: Path) -> None:
    """On a terminal ssh-keygen itself asks, and the passphrase goes to nothing else."""
    key = ring.key("bob", passphrase="long enough")
    words = [sys.executable, "-c", ON_A_TERMINAL, str(key), str(tmp_path / "made.sig")]
    process, terminal = pty.fork()
    if process == 0:
        os.execv(sys.executable, words)
    shown = _answer(terminal, b"passphrase", b"long enough\n")
    os.close(terminal)
    _, status = os.waitpid(process, 0)

    assert status == 0, shown
    assert b"long enough" not in shown
    namespace = key_and_namespace((tmp_path / "made.sig").read_text())[1]
    assert namespace == "vpnmigrate-plan"


def _answer(terminal: int, question: bytes, answer: bytes) -> bytes:
    """Type *answer* when *question* is shown, and return all that was shown until the end."""
    shown, answered = b"", False
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if not readable(terminal, 1):
            continue
        try:
            piece = os.read(terminal, 4096)
        except OSError:
            break
        if not piece:
            break
        shown += piece
        if not answered and question in shown:
            os.write(terminal, answer)
            answered = True
    return shown


class TestOneKeyHasOneFingerprint:
    """The key in a signature is not signed, so its encoding can be chosen."""

    def test_zeros_before_a_number_make_no_other_key(self, ring: KeyRing) -> None:
        """An RSA exponent can be written with any number of leading zeros."""
        trust = ring.trust(ring.line(BOB, ring.rsa_key("bob").name))
        usual = signed(ring)
        padded = with_key(usual, with_zeros(key_of(usual)))

        assert key_and_namespace(padded)[0] != key_and_namespace(usual)[0]
        assert check(padded, trust) == CheckedSignature(key=ring.fingerprint("bob"))

    def test_two_certificates_are_one_key(self, ring: KeyRing) -> None:
        """A certificate counts as the key that it certifies."""
        trust = ring.trust(ring.line(BOB, "authority", "cert-authority"))
        usual = signed(ring)
        certified = [
            with_key(usual, ring.certificate("bob", BOB, by="authority", serial=n)) for n in (1, 2)
        ]

        assert len({key_and_namespace(each)[0] for each in certified}) == 2
        for each in certified:
            assert check(each, trust) == CheckedSignature(key=ring.fingerprint("bob"))

    def test_a_key_without_a_fingerprint_proves_nothing(
        self, ring: KeyRing, tmp_path: Path
    ) -> None:
        """If ssh-keygen accepts a signature and cannot name its key, there is no verdict."""
        keygen = SshKeygen(a_program(tmp_path / "bin", '[ "$1" = -Y ]'))

        found = check(signed(ring), ring.trust(ring.line(BOB, "bob")), keygen)

        assert (found.fault, found.undecided) == (
            "cannot be checked: its key has no fingerprint",
            True,
        )
