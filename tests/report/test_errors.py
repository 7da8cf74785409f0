"""Error messages for the operator."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.support.builders import a_gateway, a_survey
from vpnmigrate.model import errors
from vpnmigrate.model.errors.commands import Invocation, cli
from vpnmigrate.model.plan import Finding
from vpnmigrate.report import errors as view

FINDINGS = (
    Finding("VPM-W001", "later", "nothing much", ""),
    Finding("VPM-B002", "quota", "5 of 5 gateways", "ask for more"),
)


class TestText:
    def test_says_what_happened_and_what_to_do(self):
        """The output is the message, its id, and the advice."""
        error = errors.WrongAccountError("the plan is for 1, you are 2", advice="use --profile")

        assert (
            view.error_text(error, Invocation())
            == "the plan is for 1, you are 2\n  Id:   VPM-E205\n  Next: use --profile"
        )

    def test_explains_what_has_to_be_replaced(self):
        """A command with a word in capitals says what that stands for."""
        error = errors.UsageError("no bundle", advice=cli("report", "RUN", "--bundle", "FILE"))

        assert view.error_text(error, Invocation()).endswith(
            "\n        to be replaced: FILE: a file, RUN: the id of the run"
        )

    def test_shows_blockers_before_warnings(self):
        """Blocking findings come first."""
        text = view.error_text(errors.PreflightError("cannot be planned", FINDINGS), Invocation())

        assert text.index("VPM-B002 BLOCKS: quota") < text.index("VPM-W001 warns: later")
        assert "    What to do: ask for more" in text

    def test_a_finding_has_the_names_of_its_resources(self):
        """Before there is a plan, the names are those of the survey."""
        survey = a_survey(gateway=replace(a_gateway(), tags={"Name": "hub"}))
        gateway = survey.gateway.id
        found = Finding("VPM-B202", "not attached", f"{gateway} has no VPC", f"attach {gateway}")
        error = errors.PreflightError(f"{gateway} cannot be migrated", (found,), survey)

        text = view.error_text(error, Invocation())

        assert text.startswith(f'{gateway} "hub" cannot be migrated\n')
        assert f'    {gateway} "hub" has no VPC\n    What to do: attach {gateway} "hub"' in text

    def test_shows_drift_field_by_field(self):
        """Each difference is a separate item."""
        text = view.error_text(
            errors.DriftError("changed", ["rtb-1: propagation is gone", "vpn-2: x"]), Invocation()
        )

        assert text.splitlines()[1:] == [
            "  - rtb-1: propagation is gone",
            "  - vpn-2: x",
            "  Id:   VPM-E204",
        ]

    def test_a_bug_names_the_evidence_and_shows_no_traceback(self):
        """An unexpected exception is reported as a bug, with the files to attach."""
        text = view.bug(KeyError("x"), kept=Path("/runs/crash.log"), invocation=Invocation())

        assert "This is a bug in vpnmigrate: KeyError." in text
        assert "journal" in text
        assert "/runs/crash.log" in text
        assert "Traceback" not in text


class TestJson:
    @pytest.mark.parametrize(
        ("error", "where", "code"),
        [
            (errors.UsageError("x"), "vpnmigrate apply", 2),
            (errors.StepError("x", step=8, outage=True), "step 8", 5),
            (errors.StepError("x", step=3, outage=False), "step 3", 1),
            (errors.JournalDamagedError("x", line=7), "line 7 of the journal", 1),
        ],
    )
    def test_has_what_where_next_and_the_exit_code(self, error, where, code):
        """A program can handle a failure without parsing prose."""
        document = view.error_json(error, where="vpnmigrate apply", invocation=Invocation())[
            "error"
        ]

        assert (
            document["what"],
            document["where"],
            document["next"],
            document["exit"],
        ) == (
            "x",
            where,
            "",
            code,
        )

    def test_has_findings_and_differences(self):
        """The details are values, not text."""
        preflight = view.error_json(
            errors.PreflightError("x", FINDINGS), where="w", invocation=Invocation()
        )["error"]
        drift = view.error_json(errors.DriftError("x", ["a"]), where="w", invocation=Invocation())[
            "error"
        ]

        assert [f["code"] for f in preflight["findings"]] == ["VPM-B002", "VPM-W001"]
        assert drift["differences"] == ["a"]
