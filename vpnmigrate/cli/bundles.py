"""Evidence bundles: packing and verification.

Device files stay in the vault.  Before a bundle is written, every file is searched for the vault's
keys, because a hook or a test command may have printed one into the log.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import msgspec

import vpnmigrate
from vpnmigrate.cli.bundle_signatures import (
    JOURNAL,
    PLAN,
    SignatureCheck,
    Signing,
    is_planned,
    require_signed_documents,
    signed_documents,
    signed_inside,
    signer_of,
)
from vpnmigrate.cli.evidence import compared
from vpnmigrate.journal.chain import JournalContents, JournalHead, read_chain
from vpnmigrate.journal.history import plans_of
from vpnmigrate.local import bundle
from vpnmigrate.local.bundle import BundleSubject, Manifest
from vpnmigrate.local.documents import (
    LARGEST_PLAN,
    plan_from_text,
    survey_from_text,
)
from vpnmigrate.local.journal_file import read_mark
from vpnmigrate.local.run_directory import Run
from vpnmigrate.local.signatures import save_signed
from vpnmigrate.local.ssh_keygen import key_and_namespace
from vpnmigrate.local.text_files import MEGABYTE, file_bytes
from vpnmigrate.local.vault import Vault
from vpnmigrate.model.approval import RehearsalResult
from vpnmigrate.model.decoding import fault_of
from vpnmigrate.model.errors import (
    BundleDamagedError,
    RefusedError,
    VpnMigrateError,
)
from vpnmigrate.model.plan import Plan
from vpnmigrate.report.document import html, markdown
from vpnmigrate.report.evidence import RunEvidence, as_json, document
from vpnmigrate.report.results import BundleResult
from vpnmigrate.report.verification import VerifiedBundle

LOG, AFTER = "log.jsonl", "after.json"

REHEARSAL = "rehearsal.json"

REPORTS = ("report.html", "report.json", "report.md")

MOST_ENTRIES = 100_000
"""Maximum lines of a journal; the longest simulated runs have a few thousand."""

_FORMER = re.compile(r"plan\.[0-9a-f]{12}\.json")


def write_bundle(
    run: Run, rehearsed: RehearsalResult | None, file: Path, sign: Signing | None = None
) -> BundleResult:
    """Pack the evidence of *run*, with the rehearsal of its plan, into *file*, and sign it.

    Raises:
        RefusedError: A file contains a key, or the archive could not be signed.
        JournalError: The journal is damaged, so there is no evidence to pack.
        UsageError: A file cannot be read, or the bundle cannot be written.
    """
    # The mark is read first: a process that writes in between extends the journal beyond it.
    mark = read_mark(run.head)
    files = dict(_kept(run))
    contents = read_chain(files[JOURNAL], run.id, str(run.journal), mark)
    plan = plan_from_text(files[PLAN], str(run.plan))
    if rehearsed is not None:
        text = msgspec.json.encode(rehearsed)
        files[REHEARSAL] = msgspec.json.format(text, indent=2) + b"\n"
    files |= signed_documents(contents.entries, plan.fingerprint)
    files |= _reports(run.id, plan, contents, files)
    _require_no_key(run, files)
    about = BundleSubject(
        run.id, plan.fingerprint, vpnmigrate.__version__, len(contents.entries), contents.head
    )
    raw = bundle.pack(about, files)
    signature = None if sign is None else sign(raw)
    beside = save_signed(raw, signature, file)
    key = "" if signature is None else key_and_namespace(signature)[0]
    digest = sha256(raw).hexdigest()
    return BundleResult(str(file), digest, tuple(sorted(files)), str(beside or ""), key)


def verify_bundle(file: Path, signatures: SignatureCheck | None = None) -> VerifiedBundle:
    """Verify *file*, a bundle from any source, and return its contents.

    With *signatures*, the bundle has to be signed, and every signature in it has to be good.

    Raises:
        UsageError: It cannot be read, or is not a bundle.
        BundleDamagedError: It was changed after it was packed, or a signature is missing or not
            good; names the first place.
    """
    raw = file_bytes(file, bundle.LARGEST)
    members = bundle.unpack(raw)
    _require_sensible(members)
    manifest = bundle.manifest_of(members)
    if manifest.about.entries > MOST_ENTRIES:
        raise BundleDamagedError(bundle.MANIFEST, f"no journal has more than {MOST_ENTRIES} lines")
    contents = _journal(members, manifest)
    plan = _plan(members, manifest)
    _require_every_plan(members, contents)
    bundle.require_listed(members, manifest)
    same_tool = manifest.about.tool == vpnmigrate.__version__
    if same_tool:
        _require_own_reports(members, manifest, plan, contents)
    with _in_place(JOURNAL):
        require_signed_documents(members, contents.entries, plan)
    bundle.require_packed_by_us(raw, members)
    signer = signer_of(file, raw, plan, contents.entries, signatures)
    signed = signed_inside(members, plan, contents.entries, signatures)
    return VerifiedBundle(
        file=str(file),
        sha256=sha256(raw).hexdigest(),
        about=manifest.about,
        files=tuple(one.name for one in manifest.files),
        torn=bool(contents.torn),
        reports_compared=same_tool,
        signer=signer,
        signed=signed,
        planned_list=signatures is not None and is_planned(signatures.trust, plan),
    )


def require_noted(verified: VerifiedBundle, noted: str) -> None:
    """Check that the bundle has the SHA-256 that was *noted* when it was made.

    Raises:
        BundleDamagedError: It has another hash, although the bundle itself is consistent.
    """
    if noted.strip().lower() != verified.sha256:
        raise BundleDamagedError(
            verified.file, f"its sha256 is {verified.sha256}, which differs from the given one"
        )


def _kept(run: Run) -> Iterator[tuple[str, bytes]]:
    """Yield the files of evidence by name; the log first, so that the journal covers it."""
    names = [LOG, JOURNAL, PLAN, AFTER]
    names += sorted(path.name for path in run.path.iterdir() if _FORMER.fullmatch(path.name))
    for name in names:
        path = run.path / name
        if path.exists() or name in {JOURNAL, PLAN}:
            yield name, file_bytes(path, bundle.LARGEST)


def _reports(
    run: str, plan: Plan, contents: JournalContents, files: Mapping[str, bytes]
) -> Mapping[str, bytes]:
    """Return the report in every form, derived from *files*."""
    after, rehearsed = None, None
    if AFTER in files:
        after = compared(plan, contents.entries, survey_from_text(files[AFTER], AFTER))
    if REHEARSAL in files:
        rehearsed = _rehearsed(files[REHEARSAL], plan)
    evidence = RunEvidence(run, plan, contents.entries, after, rehearsed)
    output = document(evidence)
    data = msgspec.json.format(msgspec.json.encode(as_json(evidence)), indent=2) + b"\n"
    forms = (html(output).encode(), data, markdown(output).encode())
    return dict(zip(REPORTS, forms, strict=True))


def _rehearsed(text: bytes, plan: Plan) -> RehearsalResult:
    try:
        found = msgspec.json.decode(text, type=RehearsalResult)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BundleDamagedError(REHEARSAL, fault_of(error)) from None
    if found.fingerprint != plan.fingerprint:
        raise BundleDamagedError(REHEARSAL, "it belongs to another plan")
    return found


def _require_no_key(run: Run, files: Mapping[str, bytes]) -> None:
    keys = {key.reveal().encode() for key in Vault(run.vault).every_key()}
    for name, content in files.items():
        if any(key in content for key in keys):
            raise RefusedError(
                f"{name} of run {run.id} contains a pre-shared key from the vault; no bundle was "
                "written",
                advice="find what printed it (a hook, a test command), change that key on both "
                "sides, and ask for help before you share the file",
            )


def _require_sensible(members: Mapping[str, bytes]) -> None:
    """Check that no file that will be parsed is larger than this program writes it.

    A parsed file takes many times its size in memory; the log and the reports are only hashed.
    """
    for name, content in members.items():
        if name not in (LOG, *REPORTS) and len(content) > LARGEST_PLAN:
            raise BundleDamagedError(name, f"it is larger than {LARGEST_PLAN // MEGABYTE} MB")


def _journal(members: Mapping[str, bytes], manifest: Manifest) -> JournalContents:
    """Read the journal and check that it has as many entries as the manifest says."""
    about = manifest.about
    if JOURNAL not in members:
        raise BundleDamagedError(JOURNAL, "it was removed")
    with _in_place(JOURNAL):
        end = JournalHead(about.entries, about.head)
        contents = read_chain(members[JOURNAL], about.run, JOURNAL, end, about.entries + 1)
    if len(contents.entries) != about.entries:
        raise BundleDamagedError(
            f"{JOURNAL}, line {about.entries + 1}", "the line was added after the bundle was made"
        )
    return contents


def _plan(members: Mapping[str, bytes], manifest: Manifest) -> Plan:
    if PLAN not in members:
        raise BundleDamagedError(PLAN, "it was removed")
    with _in_place(PLAN):
        plan = plan_from_text(members[PLAN], PLAN)
    if (plan.migration, plan.fingerprint) != (manifest.about.run, manifest.about.plan):
        raise BundleDamagedError(PLAN, "it is not the plan that the manifest names")
    return plan


def _require_every_plan(members: Mapping[str, bytes], contents: JournalContents) -> None:
    """Check that each plan that was in force in the journal is in the bundle, unchanged."""
    there = set()
    for name in (PLAN, *filter(_FORMER.fullmatch, sorted(members))):
        with _in_place(name):
            there.add(plan_from_text(members[name], name).fingerprint)
    for number, fingerprint in plans_of(contents.entries):
        if fingerprint not in there:
            raise BundleDamagedError(
                f"{JOURNAL}, line {number}", f"its plan {fingerprint[:12]} is not in the bundle"
            )


def _require_own_reports(
    members: Mapping[str, bytes], manifest: Manifest, plan: Plan, contents: JournalContents
) -> None:
    with _in_place("the data of the reports"):
        reports = _reports(manifest.about.run, plan, contents, members)
    for name, content in reports.items():
        if members.get(name) != content:
            raise BundleDamagedError(name, "it does not match plan and journal")


@contextmanager
def _in_place(place: str) -> Iterator[None]:
    """Report any error about a file as damage of the bundle at *place*."""
    try:
        yield
    except BundleDamagedError:
        raise
    except VpnMigrateError as error:
        raise BundleDamagedError(place, error.message) from error
    except (ArithmeticError, ValueError, LookupError, RecursionError) as error:
        # A run never has such values, so they are forged; the message names only the place.
        raise BundleDamagedError(place, "it has an impossible value") from error
