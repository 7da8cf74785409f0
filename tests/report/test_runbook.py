"""The change document: complete, the same each time, and safe whatever the account holds."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from msgspec.structs import replace

from tests.builders import (
    MIGRATION,
    NOON,
    OLD_VPN,
    a_connection,
    a_customer_gateway,
    a_gateway,
    a_survey,
)
from vpnmigrate.go_no_go import Gate
from vpnmigrate.options import Decisions, TestVpc, Window
from vpnmigrate.planner import plan_from
from vpnmigrate.rehearsal import BOUNDARIES, Passage, Rehearsal
from vpnmigrate.report.runbook import runbook_of
from vpnmigrate.report.runbook.views import as_json, markdown
from vpnmigrate.stopwatch import Leg

EVIL = "<script>alert('x')</script> | `id` [a](b) *c*\n# d ```"


def a_rehearsal():
    """A rehearsal with its times: 90 seconds forward, two minutes back."""
    forward = tuple(
        Leg(n, cleaning=False, begun=timedelta(seconds=30 * n), settled=timedelta(seconds=30 * n))
        for n in range(1, 11)
    )
    return Rehearsal(
        Passage(0, (), timedelta(seconds=90), timedelta(minutes=5), legs=forward),
        tuple(
            Passage(n, (), timedelta(minutes=3), timedelta(minutes=4), timedelta(minutes=n))
            for n in BOUNDARIES
        ),
    )


def a_book(decisions=None, **survey):
    plan = plan_from(
        a_survey(**survey),
        decisions or Decisions(),
        "standard",
        migration=MIGRATION,
        made=NOON,
        tool="test",
    )
    return runbook_of(plan, a_rehearsal(), "plan.json")


@pytest.fixture
def text():
    return markdown(a_book())


class TestMarkdown:
    @pytest.mark.parametrize(
        "chapter",
        [
            "Impact",
            "Preconditions",
            "Pre-checks",
            "Go or no-go: cutover",
            "Without this program",
            "Staging: steps 1 to 6",
            "Cutover: steps 7 to 10",
            "Decision deadline",
            "Back-out",
            "Stuck",
            "Post-checks",
            "Communications",
            "Finalize: a change of its own",
            "Known failures",
        ],
    )
    def test_has_every_chapter(self, text, chapter):
        """A change board finds everything it asks for under a heading of its own."""
        assert f"\n## {chapter}\n" in text

    def test_counts_the_cutover_from_its_beginning(self, text):
        """Times are those of the rehearsal: T+ from step 7, S+ from staging."""
        assert re.findall(r"^\| F\d+ \| (\S+) \|", text, re.MULTILINE) == [
            *("S+00:30", "S+01:00", "S+01:30", "S+02:00", "S+02:30", "S+03:00"),
            *("T+00:00", "T+00:30", "T+01:00", "T+01:30"),
        ]

    @pytest.mark.parametrize("row", ["F1", "F2", "F3", "F7", "F8", "F9", "F10", "B7", "B2", "R11"])
    def test_every_row_says_all_that_is_needed_at_night(self, text, row):
        """Command, expected lines, limit with its source, what if not, and the inverse."""
        [section] = re.findall(rf"^### {row}: .*?(?=^##)", text, re.DOTALL | re.MULTILINE)

        for part in ("Command: `vpnmigrate ", "Expected:", "Limit: ", "If not: ", "Inverse: "):
            assert part in section
        assert f"```bash {'forward' if row[0] == 'F' else ''}" in section

    def test_says_who_is_cut_off_from_what(self, text):
        """Impact speaks of sites, networks and minutes."""
        assert "1 min 30 s" in text
        assert "10.1.0.0/16" in text
        assert f"cgw-1 at {a_customer_gateway().ip}" in text

    def test_is_the_same_each_time(self, text):
        """The same plan gives the same bytes."""
        assert markdown(a_book()) == text

    def test_data_is_no_markup(self):
        """Tags and names cannot write chapters, links, tables, code or HTML of their own."""
        evil = {"Name": EVIL, EVIL[:100]: EVIL}
        text = markdown(
            a_book(
                gateway=a_gateway(tags=evil),
                connections=(a_connection(tags=evil),),
                customer_gateways=(replace(a_customer_gateway(), tags=evil),),
            )
        )
        prose = re.sub(r"^(`{3,})bash.*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)

        assert "<script" not in prose.replace("\\<script", "")
        assert "\n# d" not in text.replace("(AWS VPN)", "").split("```bash", maxsplit=1)[0]
        assert re.findall(r"^# ", prose, re.MULTILINE) == ["# "]
        assert len(re.findall(r"^## ", prose, re.MULTILINE)) == 14


def test_every_gate_of_the_program_is_in_it_once():
    """What the program asks before cutover or finalize, the document lets people ask too."""
    book = a_book()

    asked = [each.gate for each in (*book.gates, *book.finalize_gates)]

    assert sorted(asked) == sorted(Gate)


class TestDeadline:
    def test_with_a_window_is_a_moment(self):
        """The window's end, less the longest rehearsed way back, less the margin."""
        window = Window(
            datetime(2026, 3, 7, 1, tzinfo=UTC), datetime(2026, 3, 7, 5, tzinfo=UTC), "tonight"
        )
        deadline = dict(a_book(Decisions(window=window)).deadline)

        assert deadline["decision deadline"] == "2026-03-07 04:20:00Z"
        assert deadline["latest start"] == "2026-03-07 04:18:30Z"

    def test_without_one_is_a_formula(self):
        """A person can reckon it on paper."""
        deadline = dict(a_book().deadline)

        assert deadline["decision deadline"] == "window end - 10 min - 30 min ="


def test_json_has_the_same_content():
    """The document for programs is the same one, with a schema."""
    book = a_book(Decisions(test_vpc=TestVpc("10.255.0.0/24")))

    document = json.loads(json.dumps(as_json(book)))

    assert document["schema"] == "vpnmigrate/runbook/1"
    assert msgspec.convert(document, type(book)) == book
    assert [row["key"] for row in document["cutover"]] == ["F7", "F8", "F9", "F10"]
    assert f"--confirm {OLD_VPN}" in document["finalize"][0]["command"]
