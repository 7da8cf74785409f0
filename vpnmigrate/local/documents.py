"""Documents: plans, playbooks, scenarios and approvals as files.

Every file is read with a size limit, and an error names file, line and field.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

import vpnmigrate
from vpnmigrate.local.private_files import write_output
from vpnmigrate.local.text_files import MEGABYTE, decoded_json, file_bytes, file_text
from vpnmigrate.model.approval import APPROVAL_FORMAT, Approval
from vpnmigrate.model.decoding import fault_of
from vpnmigrate.model.errors import (
    MalformedFileError,
    PlanEditedError,
    RefusedError,
    UsageError,
    VpnMigrateError,
)
from vpnmigrate.model.errors.commands import cli
from vpnmigrate.model.plan import PLAN_FORMAT, Plan, fingerprint_of, has_fingerprint
from vpnmigrate.model.programs import commands_of
from vpnmigrate.model.survey import Survey
from vpnmigrate.planning.approvals import digest_of

if TYPE_CHECKING:
    from vpnmigrate.planning.playbook import Playbook

LARGEST_PLAN = 64 * MEGABYTE
"""A survey of 200 tables with 1,000 routes each takes a quarter of this."""

LARGEST_TEXT = MEGABYTE
"""For files that people write."""

LARGEST_SCENARIO = LARGEST_DESCRIBE = 256 * MEGABYTE
"""For scenarios of any size, and each file of saved output: 200 tables of 1,000 routes take 30."""

_PACKAGE = Path(__file__).parents[1]


class NamedDocument(Struct, frozen=True):
    """A file's text, and its name in messages."""

    name: str
    text: str


class PackagedFiles(Struct, frozen=True):
    """Files that come with the program, selected by name; a path selects any other file."""

    kind: str
    folders: tuple[Path, ...]
    """The first that exists is used: installed, or in a checkout."""
    endings: tuple[str, ...]
    largest: int = LARGEST_TEXT
    """Limit of a file at a path, in bytes."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names that ``read`` knows, sorted."""
        return tuple(sorted(self._files()))

    def read(self, name_or_path: str) -> NamedDocument:
        """Return the text of one of these files, or of the file at a path.

        Raises:
            UsageError: There is no such file, or it cannot be read.
        """
        packaged = self._files().get(name_or_path)
        if packaged is not None:
            return NamedDocument(name_or_path, file_text(packaged, LARGEST_TEXT))
        path = Path(name_or_path)
        if path.suffix not in self.endings and len(path.parts) == 1 and not path.exists():
            raise UsageError(
                f"there is no {self.kind} called {name_or_path}",
                advice=f"choose one of: {', '.join(self.names)}; or give the path of a file",
            )
        return NamedDocument(name_or_path, file_text(path, self.largest))

    def _files(self) -> dict[str, Path]:
        folder = next((f for f in self.folders if f.is_dir()), None)
        listed = sorted(folder.iterdir()) if folder else []
        return {path.stem: path for path in listed if path.suffix in self.endings}


PLAYBOOKS = PackagedFiles(
    "playbook",
    (_PACKAGE / "playbooks", _PACKAGE.parent / "playbooks"),
    (".yaml", ".yml"),
)

DEFAULT_PLAYBOOK = "standard"

SCENARIOS = PackagedFiles(
    "scenario",
    (_PACKAGE / "sandbox" / "scenarios",),
    (".yaml", ".yml", ".json"),
    LARGEST_SCENARIO,
)


def load_playbook(name_or_path: str) -> Playbook:
    """Read a playbook that comes with the program, or one at a path.

    Raises:
        UsageError: There is no such playbook.
        MalformedFileError: It is not a valid playbook.
    """
    from vpnmigrate.planning.playbook import playbook_from

    found = PLAYBOOKS.read(name_or_path)
    return playbook_from(found.text, found.name)


def ready_playbooks() -> tuple[Playbook, ...]:
    """Return every playbook that comes with the program, sorted by name."""
    return tuple(load_playbook(name) for name in PLAYBOOKS.names)


def load_plan(path: Path) -> Plan:
    """Read a plan from the operator, and check that this program would do what it shows.

    Raises:
        UsageError: There is no such file, or it cannot be read.
        MalformedFileError: It is not a plan, or was written by a later version of this program.
        PlanEditedError: Its text no longer matches its fingerprint, or its steps do not follow
            from its survey and decisions.
        RefusedError: Another version of this program made it and would do something else.
    """
    plan = read_plan(path)
    require_derived(plan, path)
    return plan


def load_plan_in_force(path: Path) -> Plan:
    """Read the plan of a started run.

    Another version of this program may have made it: a run is resumed and rolled back from the
    plan's survey and decisions, so that it can continue after an upgrade.

    Raises:
        UsageError: There is no such file, or it cannot be read.
        MalformedFileError: It is not a plan, or was written by a later version of this program.
        PlanEditedError: Its text no longer matches its fingerprint, or its steps do not follow
            from its survey and decisions.
    """
    plan = read_plan(path)
    require_unedited(plan, path)
    return plan


def read_plan(path: Path) -> Plan:
    """Read a plan whose steps were checked before, or are not shown.

    Raises:
        UsageError: There is no such file, or it cannot be read.
        MalformedFileError: It is not a plan, or was written by a later version of this program.
        PlanEditedError: Its text no longer matches its fingerprint.
    """
    return plan_from_text(file_bytes(path, LARGEST_PLAN), str(path))


def require_unedited(plan: Plan, path: Path) -> None:
    """Check that the steps of a plan of this version follow from its survey and decisions.

    Raises:
        PlanEditedError: They do not.
    """
    if plan.tool == vpnmigrate.__version__:
        require_derived(plan, path)


def require_derived(plan: Plan, path: Path) -> None:
    """Check that a plan's steps follow from its survey and decisions.

    The fingerprint does not prove that: it can be recomputed after an edit.

    Raises:
        PlanEditedError: The plan shows something else.
        RefusedError: Another version made the plan, and this version derives something else.
    """
    from vpnmigrate.planning.planner import derived_again, differing

    again = ("plan again:", cli("plan", "--vpn-gateway", plan.before.gateway.id))
    if unpinned := [c for c in commands_of(plan.decisions) if c.words[0] not in plan.programs]:
        raise PlanEditedError(
            f"{path} was edited after it was made: it lacks the hash of {unpinned[0].words[0]} "
            f"({unpinned[0].field})",
            advice=again,
        )
    rule = plan.decisions.approvals
    if (rule.signed or rule.allowed_signers) and rule.allowed_signers not in plan.programs:
        raise PlanEditedError(
            f"{path} was edited after it was made: it lacks the hash of its list of allowed "
            "signers",
            advice=again,
        )
    try:
        found = differing(plan, derived_again(plan))
    except VpnMigrateError as error:
        raise PlanEditedError(
            f"{path} was edited after it was made: its survey does not lead to a plan: "
            f"{error.message}",
            advice=again,
        ) from error
    except Exception as error:  # No AWS account has such a survey.
        raise PlanEditedError(
            f"{path} was edited after it was made: its survey does not lead to a plan "
            f"({type(error).__name__})",
            advice=again,
        ) from error
    if not found:
        return
    if plan.tool != vpnmigrate.__version__:
        raise RefusedError(
            f"{path} was made by vpnmigrate {plan.tool}, and this version, "
            f"{vpnmigrate.__version__}, would do something else: {'; '.join(found)}",
            advice=("use the version that made it, or", *again),
        )
    raise PlanEditedError(
        f"{path} was edited after it was made: what it shows does not follow from its survey and "
        f"decisions: {'; '.join(found)}",
        advice=again,
    )


def plan_from_text(raw: bytes, path: str) -> Plan:
    """Read a plan's text; messages name *path*.

    Raises:
        MalformedFileError: It is not a plan, or was written by a later version of this program.
        PlanEditedError: It no longer matches its fingerprint.
    """
    return _intact_plan(raw) or _examined_plan(raw, path)


def _intact_plan(raw: bytes) -> Plan | None:
    """Return the plan of a text with its fingerprint; None if something may be wrong with it.

    It is decoded once, without the dictionaries in which ``_examined_plan`` looks for the fault.
    """
    try:
        compact = msgspec.json.format(raw, indent=-1)
        plan = msgspec.json.decode(compact, type=Plan)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    is_intact = plan.format == PLAN_FORMAT and has_fingerprint(compact, plan.fingerprint)
    return plan if is_intact else None


def _examined_plan(raw: bytes, path: str) -> Plan:
    """Read a plan's text, also that of a plan that another program has formatted; name a fault."""
    document = decoded_json(raw, path)
    if not isinstance(document, dict) or not isinstance(document.get("format"), int):
        raise MalformedFileError(
            f"{path}: not a plan: field format is missing",
            advice=(
                "make one with:",
                cli("plan", "--vpn-gateway", "vgw-...", "-o", "plan.json"),
            ),
        )
    if document["format"] < PLAN_FORMAT:
        raise MalformedFileError(
            f"{path}: field format: {document['format']} is no longer supported; "
            f"this version reads {PLAN_FORMAT}",
            advice="plan again with this version, or use the version that made the plan",
        )
    if document["format"] > PLAN_FORMAT:
        raise MalformedFileError(
            f"{path}: field format: {document['format']} was written by a later vpnmigrate; "
            f"this version reads up to {PLAN_FORMAT}",
            advice="use the version that made the plan, or plan again with this version",
        )
    # The hash covers the fields in the file: a plan of an earlier version lacks newer fields.
    if fingerprint_of(document) != document.get("fingerprint"):
        raise PlanEditedError(
            f"{path} was edited after it was made: its text does not match its fingerprint",
            advice="plan again; to change decisions, edit a playbook, not the plan",
        )
    try:
        return msgspec.convert(document, Plan, strict=True)
    except msgspec.ValidationError as error:
        raise MalformedFileError(f"{path}: {fault_of(error)}", advice="plan again") from None


def plan_text(plan: Plan) -> bytes:
    """Return the content of the file of *plan*."""
    return _content(plan)


def _content(document: Plan | Survey | Approval) -> bytes:
    """Return the text of a file of *document*, with sorted keys."""
    return msgspec.json.format(msgspec.json.encode(document, order="sorted"), indent=2) + b"\n"


def save_survey(survey: Survey, path: Path) -> None:
    """Write *survey*, readable by its owner only.

    Raises:
        UsageError: The file cannot be written.
    """
    save_bytes(_content(survey), path)


def load_survey(path: Path) -> Survey:
    """Read a survey that was kept with a run.

    Raises:
        UsageError: It cannot be read.
        MalformedFileError: It is not a survey.
    """
    return survey_from_text(file_bytes(path, LARGEST_PLAN), str(path))


def survey_from_text(raw: bytes, path: str) -> Survey:
    """Read a survey's text; messages name *path*.

    Raises:
        MalformedFileError: It is not a survey.
    """
    try:
        return msgspec.json.decode(raw, type=Survey)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedFileError(f"{path}: {fault_of(error)}", advice="survey again") from None


def require_no_input(file: Path, inputs: Iterable[Path | str | None]) -> None:
    """Check that *file*, which is to be written, is not an input of the same command.

    Raises:
        UsageError: It is one of them, and would be lost.
    """
    for each in inputs:
        if each is not None and _are_same(file, Path(each)):
            raise UsageError(
                f"{file} is read by this command, so it is not overwritten",
                advice="choose another file with -o",
            )


def _are_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False  # One of them does not exist.


def save_text(text: str, path: Path) -> None:
    """Write *text* atomically, readable by its owner only.

    Raises:
        UsageError: The file cannot be written.
    """
    save_bytes(text.encode(), path)


def text_file(path: Path) -> str:
    """Return the text of a file that a person writes; it raises as ``file_text`` does."""
    return file_text(path, LARGEST_TEXT)


def save_bytes(content: bytes, path: Path) -> None:
    """Write *content* atomically, readable by its owner only.

    Raises:
        UsageError: The file cannot be written.
    """
    try:
        write_output(path, content)
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be written: {error.strerror}", advice="choose another file with -o"
        ) from error


def scenario_text(name_or_path: str) -> NamedDocument:
    """Read a scenario that comes with the program, or one at a path; ``sandbox`` parses it.

    Raises:
        UsageError: There is no such scenario.
    """
    return SCENARIOS.read(name_or_path)


def describe_documents(path: Path) -> dict[str, list[Any]]:
    """Read saved ``aws ec2 describe-*`` output: one JSON file, or a folder of them, merged.

    The result may contain pre-shared keys: it is for ``sandbox`` only.

    Raises:
        UsageError: It cannot be read.
        MalformedFileError: It is not the output of a describe command.
    """
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not files:
        raise UsageError(
            f"{path}: contains no .json file", advice="save describe output there first"
        )
    merged: dict[str, list[Any]] = {}
    ended: set[str] = set()
    for file in files:
        document = decoded_json(file_bytes(file, LARGEST_DESCRIBE), str(file))
        if not isinstance(document, dict):
            raise MalformedFileError(
                f"{file}: not an object, so it is not the output of aws ec2 describe-*"
            )
        pages: set[str] = set()
        for field, listed in document.items():
            if field in {"NextToken", "ResponseMetadata"}:
                continue
            if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
                raise MalformedFileError(
                    f"{file}: field {field}: not a list of objects",
                    advice="save the complete output of aws ec2 describe-… --output json",
                )
            merged.setdefault(field, []).extend(listed)
            pages.add(field)
        if not document.get("NextToken"):
            ended |= pages
    if partial := sorted(merged.keys() - ended):
        raise MalformedFileError(
            f"{path}: field NextToken: {', '.join(partial)} is only a part of the output",
            advice="save it again without --max-items, --page-size and --starting-token",
        )
    return merged


def json_document(path: Path) -> Any:
    """Read a JSON file and return it decoded.

    Raises:
        UsageError: It cannot be read.
        MalformedFileError: It is not JSON.
    """
    return decoded_json(file_bytes(path, MEGABYTE), str(path))


_AGAIN = ("ask for a new one:", cli("approve", "PLAN"))


class ApprovalFile(Struct, frozen=True):
    """An approval, and the file it was read from with its exact text."""

    approval: Approval
    path: Path
    text: bytes


def load_approval(path: Path) -> ApprovalFile:
    """Read an approval and check that it is unchanged since it was given.

    Raises:
        UsageError: There is no such file, or it cannot be read.
        MalformedFileError: It is not an approval, or was written by a later version.
        RefusedError: Its text no longer matches its digest.
    """
    text = file_bytes(path, MEGABYTE)
    return ApprovalFile(approval_from(text, str(path)), path, text)


def approval_from(text: bytes, path: str) -> Approval:
    """Read an approval's text; messages name *path*.

    Raises:
        MalformedFileError: It is not an approval, or was written by a later version.
        RefusedError: Its text no longer matches its digest.
    """
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise MalformedFileError(f"{path}: not JSON text", advice=_AGAIN) from None
    if not isinstance(document, dict) or not isinstance(document.get("digest"), str):
        raise MalformedFileError(f"{path}: not an approval", advice=_AGAIN)
    if digest_of(document) != document["digest"]:
        raise RefusedError(
            f"{path} was altered after it was given: its text does not match its digest",
            advice=_AGAIN,
        )
    try:
        found = msgspec.convert(document, Approval, strict=True)
    except msgspec.ValidationError as error:
        raise MalformedFileError(f"{path}: {fault_of(error)}", advice=_AGAIN) from None
    if found.format > APPROVAL_FORMAT or not (found.at.tzinfo and found.expires.tzinfo):
        raise MalformedFileError(f"{path}: not an approval of this version", advice=_AGAIN)
    return found


def approval_content(approval: Approval) -> bytes:
    """Return the content of the file of *approval*."""
    return _content(approval)
