"""Man pages: one for each command, from the source of ``--help``."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.test_surface import FLAGS
from vpnmigrate.cli.man_pages import man_pages

MAN = Path(__file__).parents[2] / "docs" / "man"


@pytest.fixture(scope="module")
def pages():
    return man_pages()


def test_each_command_has_a_page_with_its_options(pages):
    """Every flag of a command is on its page."""
    for path, flags in FLAGS.items():
        page = pages[f"vpnmigrate-{path.replace(' ', '-')}.1"].replace("\\-", "-")
        assert {flag for flag in flags if not re.search(rf"{flag}\b", page)} == set()


def test_the_committed_pages_are_those(pages):
    """``make docs`` writes them, and the package installs them as man pages."""
    assert {path.name for path in MAN.glob("*.1")} == set(pages)


@pytest.mark.skipif(shutil.which("man") is None, reason="there is no man here")
def test_man_reads_them_without_a_complaint(pages):
    """Groff formats the page of ``apply`` with its headings."""
    ran = subprocess.run(
        ["man", "--warnings", "-l", str(MAN / "vpnmigrate-apply.1")],
        capture_output=True,
        text=True,
        check=True,
        env={"MANWIDTH": "80", "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
    )
    assert ran.stderr == ""
    for heading in ("NAME", "SYNOPSIS", "OPTIONS", "EXIT STATUS"):
        assert heading in ran.stdout
