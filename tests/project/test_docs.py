"""The documentation is consistent: links and citations exist, pages are current."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import get_args

import botocore.session
import msgspec
from botocore import xform_name

from vpnmigrate.model.changes import AwsChange
from vpnmigrate.model.errors import Exit
from vpnmigrate.steps.sequences import FINALIZE, FORWARD

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

WRITTEN_BY_THE_PROGRAM = {"sheet.md", "report.md", "runbook.md"}
STEP_PAGES = sorted((ROOT / "docs" / "steps").glob("*.md"))

_SHELL = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
_FENCE = re.compile(r"^ *```.*?^ *```", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
_CITED = re.compile(r"\bdomain\.md,? (\d+(?:\.\d+)?)")


def _prose(page: Path) -> str:
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def _links(page: Path) -> list[str]:
    return [link for link in _LINK.findall(_prose(page)) if not re.match(r"[a-z]+:", link)]


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", _prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _is_broken(page: Path, link: str) -> bool:
    name, _, anchor = link.partition("#")
    there = (page.parent / name).resolve() if name else page
    return not there.exists() or bool(anchor and anchor not in _anchors(there))


def test_every_link_leads_somewhere() -> None:
    """A relative link names a file of this tree, and its anchor a heading in it."""
    broken = [
        f"{page.relative_to(ROOT)}: {link}"
        for page in PAGES
        for link in _links(page)
        if _is_broken(page, link)
    ]

    assert broken == []


def test_every_page_can_be_found_from_the_readme() -> None:
    """Every page can be reached by links from the README."""
    seen: set[Path] = set()
    ahead = [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page in seen or not page.exists():
            continue
        seen.add(page)
        ahead += [
            there
            for link in _links(page)
            if (there := (page.parent / link.partition("#")[0]).resolve()).suffix == ".md"
        ]

    assert not [str(page.relative_to(ROOT)) for page in PAGES if page not in seen]


def test_every_cited_fact_about_aws_exists() -> None:
    """Every section of domain.md that the code or a page cites exists."""
    facts = (ROOT / "docs" / "domain.md").read_text(encoding="utf-8")
    sections = set(re.findall(r"^#+ (\d+(?:\.\d+)?)", facts, re.MULTILINE))
    sources = [*(ROOT / "vpnmigrate").rglob("*.py"), *(ROOT / "playbooks").rglob("*"), *PAGES]

    missing = {
        f"{path.relative_to(ROOT)}: {number}"
        for path in sources
        if path.is_file()
        for number in _CITED.findall(path.read_text(encoding="utf-8"))
        if number not in sections
    }

    assert not missing


def test_every_page_that_the_code_names_exists() -> None:
    """Every page that the program names exists."""
    there = {page.name for page in PAGES} | WRITTEN_BY_THE_PROGRAM

    missing = {
        f"{path.relative_to(ROOT)}: {page}"
        for path in (ROOT / "vpnmigrate").rglob("*.py")
        for page in re.findall(r"\b[\w-]+\.md\b", path.read_text(encoding="utf-8"))
        if page not in there
    }

    assert not missing


def test_every_step_has_its_page() -> None:
    """Each of the eleven steps has a page with its title."""
    wanted = [f"# Step {step.number}: {step.title}" for step in (*FORWARD, FINALIZE[1])]
    titles = [page.read_text(encoding="utf-8").partition("\n")[0] for page in STEP_PAGES]

    assert [title for title in wanted if title not in titles] == []


def _commands(page: Path) -> list[list[str]]:
    blocks = re.findall(
        r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.startswith("aws ")]


def _faults_of(command: list[str]) -> list[str]:
    """Return the operation and the parameters of *command* that the AWS CLI does not have."""
    _, service, verb, *arguments = command
    model = botocore.session.get_session().get_service_model(service)
    operations = {xform_name(name, "-"): name for name in model.operation_names}
    if verb not in operations:
        return [verb]
    shape = model.operation_model(operations[verb]).input_shape
    known = {xform_name(name, "-") for name in (shape.members if shape else ())}
    given = {word[2:] for word in arguments if word.startswith("--")}
    return sorted(given - known - {"query", "output", "dry-run"})


def test_the_commands_by_hand_exist() -> None:
    """Each AWS CLI command on a step's page has an existing operation and parameters."""
    found = {
        f"{page.stem}: {shlex.join(command)}": faults
        for page in STEP_PAGES
        for command in _commands(page)
        if (faults := _faults_of(command))
    }

    assert found == {}


def test_every_exit_code_is_explained() -> None:
    """The page on exit codes has one row for each, by number and name."""
    page = (ROOT / "docs" / "reference" / "exit-codes.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d) \| `([a-z-]+)` \|", page, re.MULTILINE)

    assert [(str(code.value), code.name.lower().replace("_", "-")) for code in Exit] == rows


def test_generated_pages_are_current() -> None:
    """The generated pages are what `make docs` would write."""
    check = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "write_docs.py"), "--check"],
        check=False,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        encoding="utf-8",
    )

    assert (check.returncode, check.stderr) == (0, "")


_SERVICES = "ec2|directconnect|servicequotas|sts|organizations|cloudwatch|events|logs"


def test_the_permissions_page_names_every_action() -> None:
    """Each operation of AWS that the program sends is listed."""
    page = (ROOT / "docs" / "how-to" / "permissions.md").read_text(encoding="utf-8")
    listed = set(re.findall(rf"`?\"?((?:{_SERVICES}):[A-Z]\w+)", page))
    sources = [*(ROOT / "vpnmigrate" / "aws").rglob("*.py")]
    read = {
        action
        for path in sources
        for action in re.findall(
            rf"\"((?:{_SERVICES}):[A-Z]\w+)\"",
            path.read_text(encoding="utf-8"),
        )
    }
    sent = {f"ec2:{_operation(change)}" for change in get_args(AwsChange)}

    condition_keys = {"ec2:Vpc"}
    assert (read - condition_keys) | sent | {"ec2:CreateTags", "ec2:DeleteTags"} <= listed


def _operation(change: type) -> str:
    """Return the operation that *change* sends with every text field filled."""
    filled = {field.name: "x" for field in msgspec.structs.fields(change)}
    return str(change(**filled).call)


def test_every_place_that_contributing_names_exists() -> None:
    """Each file and folder in a list of "Where do I add" exists."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    listed = page.partition("## Where do I add")[2].partition("\n## ")[0]
    places = re.findall(r"`((?:vpnmigrate|docs|tests)/[\w./-]+)`", listed)

    assert places
    assert not [place for place in places if not (ROOT / place).exists()]


def test_every_name_that_contributing_lists_is_in_its_file() -> None:
    """A row of "Where do I add" names only what its file, or a file of its folder, has."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    listed = page.partition("## Where do I add")[2].partition("\n## ")[0]
    rows = re.findall(
        r"^\| [^|`]*`((?:vpnmigrate|tests)/[\w./-]+)` \| (.*) \|$", listed, re.MULTILINE
    )
    unknown = [
        (place, name)
        for place, what in rows
        for name in re.findall(r"`([A-Za-z_]+)`", what)
        if not re.search(rf"\b{name}\b", _text_of(ROOT / place))
    ]

    assert len(rows) > 15
    assert unknown == []


def _text_of(place: Path) -> str:
    files = sorted(place.glob("*.py")) if place.is_dir() else [place]
    return "\n".join(file.read_text(encoding="utf-8") for file in files)
