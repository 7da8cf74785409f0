"""``ssh-keygen``: signing and checking of detached signatures (``ssh-keygen -Y``).

The program reads no private key itself: keys stay in files, agents and hardware, and OpenSSH asks
for passphrases and touches.  ``ssh-keygen`` is called by its absolute path, without a shell, with
an environment of named variables, and with a limit.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Final

from vpnmigrate.local.subprocess_limits import MOST_OUTPUT, kill_group
from vpnmigrate.model.clock import span
from vpnmigrate.model.errors import RefusedError, UsageError
from vpnmigrate.model.errors.commands import Advice, Command
from vpnmigrate.model.signatures import CheckedSignature, SignedKind

PLACES: Final = ("/usr/bin", "/bin", "/usr/local/bin", "/run/current-system/sw/bin")
"""Where systems install OpenSSH; the absolute directories of PATH follow."""
SIGN_LIMIT: Final = timedelta(minutes=2)
"""The time that sshd gives a person to enter a passphrase or touch a key (LoginGraceTime)."""
CHECK_LIMIT: Final = timedelta(seconds=30)
"""For a hash of at most 256 MB and one signature, about a second, on a busy machine."""
REQUIRED: Final = "install OpenSSH 8.8 or later, for example with: apt-get install openssh-client"
"""8.8 is the first version that honours the times in allowed_signers (git-config(1))."""

_ENDING: Final = 5
"""Seconds that an ended program has to restore the terminal before it is killed."""
_LONGEST_REASON: Final = 200
_YOUR_KEYS: Final[Advice] = (
    "give the file of an SSH key; the public file is enough if an agent has the key:",
    Command(("ssh-add", "-l")),
)
_SIGNING: Final = frozenset(
    {
        *("HOME", "USER", "LOGNAME", "TERM", "LANG", "LC_ALL", "LC_CTYPE"),
        *("SSH_AUTH_SOCK", "SSH_AGENT_PID", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE"),
        *("SSH_SK_PROVIDER", "SSH_SK_HELPER", "SSH_PKCS11_HELPER"),
        *("DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "XDG_RUNTIME_DIR"),
        "DBUS_SESSION_BUS_ADDRESS",
    }
)
"""What ``ssh-keygen`` needs to reach an agent, a hardware key and the person."""
_CHECKING: Final = {"LC_ALL": "C", "TZ": "UTC"}
"""A check depends on its files alone, so times in allowed_signers without a zone are UTC."""
_WITHOUT_Y: Final = ("unknown option", "illegal option", "invalid option", "usage: ssh-keygen")
"""What a version prints that has no ``-Y``, or not all that is needed of it."""
_BEGIN: Final = "-----BEGIN SSH SIGNATURE-----"
_END: Final = "-----END SSH SIGNATURE-----"
_MAGIC: Final = b"SSHSIG"
_LENGTH: Final = 4
_FINGERPRINT: Final = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")


@dataclass(frozen=True)
class TrustedSigners:
    """The root of trust: the content of an allowed_signers file, and of a list of revoked keys."""

    name: str
    """The path of the file, for messages."""
    allowed: bytes
    revoked: bytes | None = None


@dataclass(frozen=True)
class _Ended:
    """How a call of ``ssh-keygen`` ended."""

    exit: int | None
    """None if it did not end within *limit*."""
    output: str
    errors: str
    limit: timedelta

    @property
    def is_too_old(self) -> bool:
        """Whether this version lacks what is needed; it then prints its usage."""
        lower = self.errors.lower()
        return self.exit != 0 and any(words in lower for words in _WITHOUT_Y)

    @property
    def reason(self) -> str:
        """Its first line of errors, shortened and printable."""
        line = next((line for line in self.errors.splitlines() if line.strip()), "")
        return printable(line)[:_LONGEST_REASON]

    @property
    def fault(self) -> str:
        """Why it did nothing, as a sentence without a full stop."""
        if self.exit is None:
            return f"ssh-keygen did not end within {span(self.limit)}"
        if self.is_too_old:
            return "the ssh-keygen of this host is too old"
        return self.reason or f"ssh-keygen failed with exit status {self.exit}"


@dataclass(frozen=True)
class _Call:
    """A call of ``ssh-keygen`` in the private directory *place*."""

    words: Sequence[str]
    place: Path
    limit: timedelta
    environment: Mapping[str, str]
    attended: bool = False
    """Whether it may use this process's terminal; without one nothing can wait for an answer."""
    data: str = ""
    """Name of the file for its standard input; empty for none."""


class SshKeygen:
    """Signs and checks with the ``ssh-keygen`` of this machine, the first one in *places*."""

    def __init__(
        self,
        places: Iterable[str] | None = None,
        *,
        sign_limit: timedelta = SIGN_LIMIT,
        check_limit: timedelta = CHECK_LIMIT,
    ) -> None:
        self._places = tuple(_places() if places is None else places)
        self._sign_limit = sign_limit
        self._check_limit = check_limit

    def sign(self, content: bytes, key: Path, kind: SignedKind, *, attended: bool) -> str:
        """Return the signature of *content* with *key*.

        *key* is the file of a private key, or of a public key whose private half is in an agent.
        With *attended*, ``ssh-keygen`` may ask for a passphrase on this process's terminal.

        Raises:
            UsageError: There is no such key.
            RefusedError: There is no ``ssh-keygen``, or it did not sign; the message says why.
        """
        key = key.expanduser().absolute()
        if not key.is_file():
            raise UsageError(f"--sign-key: there is no file {key}", advice=_YOUR_KEYS)
        environment = {name: os.environ[name] for name in _SIGNING if name in os.environ}
        if not attended:
            environment["SSH_ASKPASS_REQUIRE"] = "never"
        with tempfile.TemporaryDirectory(prefix="vpnmigrate-") as folder:
            place = Path(folder)
            (place / "document").write_bytes(content)
            words = ("-q", "-Y", "sign", "-f", str(key), "-n", kind.value, str(place / "document"))
            ended = _run(
                self._program(), _Call(words, place, self._sign_limit, environment, attended)
            )
            made = place / "document.sig"
            if ended.exit == 0 and made.is_file():
                return made.read_text(encoding="ascii")
        if ended.is_too_old:
            raise RefusedError(f"nothing was signed: {ended.fault}", advice=REQUIRED)
        raise RefusedError(
            f"nothing was signed with {key}: {ended.fault}",
            advice="run it on a terminal, where ssh-keygen can ask for the passphrase, or add the "
            "key to an agent (ssh-add) first",
        )

    def check(
        self,
        content: bytes,
        signature: str,
        trust: TrustedSigners,
        *,
        kind: SignedKind,
        principal: str,
        at: datetime,
    ) -> CheckedSignature:
        """Check that *principal* signed *content* as a document of *kind* at the time *at*."""
        try:
            key, namespace = key_and_namespace(signature)
        except ValueError:
            return CheckedSignature("has a signature that is not in SSH's format")
        if namespace != kind.value:
            return CheckedSignature(
                f"is signed for another purpose ({namespace!r}, not {kind.value!r})", key
            )
        if not principal or not principal.isprintable():
            return CheckedSignature("names no signer", key)
        revoking = () if trust.revoked is None else ("-r", "revoked")
        of = ("-n", kind.value, "-s", "signature")
        verify = ("-Y", "verify", "-f", "allowed", "-I", principal, *_at(at), *of)
        try:
            with _laid_out(content, signature, trust) as place:
                ended = self._checked(place, *verify, *revoking)
                if ended.exit == 0:
                    return self._accepted(place, signature)
                if ended.exit is None or ended.is_too_old:
                    why = f"cannot be checked: {ended.fault}"
                    return CheckedSignature(why, key, undecided=True)
                if self._checked(place, "-Y", "check-novalidate", *of).exit != 0:
                    why = "does not match its signature: it was altered, or another file was signed"
                    return CheckedSignature(why, key)
                if revoking and self._checked(place, *verify).exit == 0:
                    return CheckedSignature(f"is signed with the revoked key {key}", key)
        except RefusedError as error:
            return CheckedSignature(f"cannot be checked: {error.message}", key, undecided=True)
        detail = f" ({ended.reason})" if ended.reason else ""
        return CheckedSignature(
            f"is signed with {key}, which {trust.name} does not list for {principal} and "
            f"{kind.value} at {at:%Y-%m-%d %H:%M}Z{detail}",
            key,
        )

    def principals(self, signature: str, trust: TrustedSigners, at: datetime) -> tuple[str, ...]:
        """Return the names under which *trust* lists the key of *signature* at the time *at*.

        Raises:
            RefusedError: There is no ``ssh-keygen``, or it cannot do this.
        """
        with _laid_out(b"", signature, trust) as place:
            words = ("-Y", "find-principals", *_at(at), "-f", "allowed", "-s", "signature")
            ended = self._checked(place, *words)
        if ended.exit is None or ended.is_too_old:
            raise RefusedError(f"the signer is unknown: {ended.fault}", advice=REQUIRED)
        found = ended.output.splitlines() if ended.exit == 0 else []
        return tuple(name for name in found if name and not name.startswith("!"))

    def _accepted(self, place: Path, signature: str) -> CheckedSignature:
        """Return the result for an accepted signature, with the fingerprint of the plain key.

        One key has many encodings: leading zeros in its numbers, and every certificate of it.
        ``ssh-keygen -l`` reduces them to one.
        """
        (place / "key").write_text(_public_line(signature), encoding="ascii")
        ended = self._checked(place, "-l", "-E", "sha256", "-f", "key")
        found = _FINGERPRINT.findall(ended.output) if ended.exit == 0 else []
        if len(found) != 1:
            return CheckedSignature("cannot be checked: its key has no fingerprint", undecided=True)
        return CheckedSignature(key=found[0])

    def _checked(self, place: Path, *words: str) -> _Ended:
        call = _Call(words, place, self._check_limit, _CHECKING, data="document")
        return _run(self._program(), call)

    def _program(self) -> str:
        """Return the absolute path of ``ssh-keygen``.

        Raises:
            RefusedError: There is none.
        """
        for place in self._places:
            found = Path(place, "ssh-keygen")
            if found.is_file() and os.access(found, os.X_OK):
                return str(found)
        raise RefusedError("there is no ssh-keygen on this host", advice=REQUIRED)


def key_and_namespace(signature: str) -> tuple[str, str]:
    """Return the key's fingerprint and the namespace of *signature* (PROTOCOL.sshsig).

    This proves nothing: ``ssh-keygen`` checks the signature with the key that it contains.  One
    key can have many such fingerprints, so only that of ``SshKeygen.check`` identifies it.

    Raises:
        ValueError: It is not a signature in SSH's armour.
    """
    key, namespace = _parts(signature)
    digest = base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")
    return f"SHA256:{digest}", printable(namespace.decode(errors="replace"))[:_LONGEST_REASON]


def _public_line(signature: str) -> str:
    """Return the public key in *signature* as a line of a ``.pub`` file."""
    key, _ = _parts(signature)
    kind, _ = _string(key)
    return f"{kind.decode('ascii')} {base64.b64encode(key).decode()}\n"


def _parts(signature: str) -> tuple[bytes, bytes]:
    """Return the encoded public key and the namespace of *signature*."""
    lines = signature.split()
    text = " ".join(lines)
    if not (text.startswith(_BEGIN) and text.endswith(_END)):
        message = "no armour"
        raise ValueError(message)
    body = text.removeprefix(_BEGIN).removesuffix(_END).replace(" ", "")
    try:
        raw = base64.b64decode(body, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None
    if not raw.startswith(_MAGIC):
        message = "no signature"
        raise ValueError(message)
    key, rest = _string(raw[len(_MAGIC) + _LENGTH :])
    namespace, _ = _string(rest)
    return key, namespace


def printable(text: str) -> str:
    """Return *text* with a question mark in place of every unprintable character."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _string(raw: bytes) -> tuple[bytes, bytes]:
    """Return the first string of *raw* (RFC 4251 section 5), and what follows it."""
    length = int.from_bytes(raw[:_LENGTH], "big")
    end = _LENGTH + length
    if len(raw) < end or len(raw) < _LENGTH:
        message = "cut off"
        raise ValueError(message)
    return raw[_LENGTH:end], raw[end:]


def _places() -> Iterable[str]:
    yield from PLACES
    for place in os.environ.get("PATH", "").split(os.pathsep):
        if Path(place).is_absolute():
            yield place


def _at(at: datetime) -> tuple[str, str]:
    """Return the option for the time; without a zone it is UTC by ``_CHECKING``."""
    return "-O", f"verify-time={at.astimezone(UTC):%Y%m%d%H%M%S}"


@contextmanager
def _laid_out(content: bytes, signature: str, trust: TrustedSigners) -> Iterator[Path]:
    """Yield a private directory with copies, so that nothing changes between two checks."""
    with tempfile.TemporaryDirectory(prefix="vpnmigrate-") as folder:
        place = Path(folder)
        (place / "document").write_bytes(content)
        (place / "signature").write_text(signature, encoding="utf-8")
        (place / "allowed").write_bytes(trust.allowed)
        if trust.revoked is not None:
            (place / "revoked").write_bytes(trust.revoked)
        yield place


def _run(program: str, call: _Call) -> _Ended:
    """Run *program*; it ends within the limit, or is killed."""
    place = call.place
    # Files, not pipes: a program that ssh-keygen started may keep a pipe open.
    with ExitStack() as opened:
        data: IO[bytes] | int | None = subprocess.DEVNULL
        if call.attended:
            data = None
        elif call.data:
            data = opened.enter_context((place / call.data).open("rb"))
        output = opened.enter_context((place / "output").open("wb"))
        errors = None if call.attended else opened.enter_context((place / "errors").open("wb"))
        try:
            process = subprocess.Popen(  # noqa: S603  an absolute path, and no shell
                [program, *call.words],
                stdin=data,
                stdout=output,
                stderr=errors,
                cwd=place,
                env=dict(call.environment),
                # Without a session of its own it has the terminal, for a passphrase.
                start_new_session=not call.attended,
            )
        except OSError as error:
            raise RefusedError(
                f"{program} cannot be run: {error.strerror}", advice=REQUIRED
            ) from error
        try:
            exit_: int | None = process.wait(call.limit.total_seconds())
        except subprocess.TimeoutExpired:
            exit_ = None
        finally:
            _end(process, call)
    return _Ended(exit_, _head(place / "output"), _head(place / "errors"), call.limit)


def _end(process: subprocess.Popen[bytes], call: _Call) -> None:
    """End *process* if it still runs; one on the terminal can restore the echo first."""
    if process.poll() is not None:
        return
    if not call.attended:
        kill_group(process)
        return
    with suppress(PermissionError, subprocess.TimeoutExpired):
        process.terminate()
        process.wait(_ENDING)
    process.kill()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_ENDING)


def _head(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MOST_OUTPUT).decode(errors="replace")
    except FileNotFoundError:
        return ""  # It went to the terminal.
