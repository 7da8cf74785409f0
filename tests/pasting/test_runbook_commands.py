"""The runbook's commands, pasted into a shell."""

from __future__ import annotations

import shlex

import pytest

from tests.pasting.shells import SHELLS, Pasted
from tests.report.books import a_plan, a_rehearsal
from vpnmigrate.model.decisions import Approvals, Decisions
from vpnmigrate.model.errors.commands import Invocation
from vpnmigrate.report.runbook import runbook_of

PLAN = "change of it's & $(touch PWNED).json"


@pytest.mark.parametrize("shell", sorted(SHELLS))
def test_every_command_arrives_unchanged(shell, tmp_path):
    """Bash and zsh hand on every word of every check, step, rollback and finalize."""
    decisions = Decisions(approvals=Approvals(required=1))
    book = runbook_of(a_plan(decisions), a_rehearsal(), PLAN, Invocation(run_dir="/my runs"))
    checks = book.pre_checks + book.stuck + book.post_checks
    rows = book.staging + book.cutover + book.back + book.finalize
    lines = [check.command for check in checks if check.command]
    lines += [row.command for row in rows]
    lines += [row.inverse.rpartition(": ")[2] for row in rows if "vpnmigrate" in row.inverse]
    lines += book.aside

    ran = Pasted(shell, tmp_path).paste("\n".join(lines))

    assert ran == [tuple(shlex.split(line)) for line in lines]
    assert len(lines) > 30
