"""The runbook: complete, deterministic, and safe for any content of the account."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import msgspec
import pytest
from msgspec.structs import replace

from tests.report.books import (
    a_book,
    a_book_of,
    a_large_plan,
    a_page,
    a_plan,
    a_rehearsal,
    an_evil_plan,
)
from tests.support.builders import OLD, OLD_VPN, a_customer_gateway
from vpnmigrate.model.decisions import (
    Approvals,
    Decisions,
    DeviceDriver,
    DriverKind,
    TestVpc,
    Window,
)
from vpnmigrate.model.errors import UsageError
from vpnmigrate.model.errors.commands import Invocation
from vpnmigrate.model.gates import Gate, Milestone, gates_before
from vpnmigrate.report.diagrams import ROW, WIDTH, DiagramStage, ShapeStyle, pictures_of
from vpnmigrate.report.runbook import runbook_of
from vpnmigrate.report.runbook.content import FilledIn
from vpnmigrate.report.runbook.render import as_json, markdown
from vpnmigrate.report.runbook.schedule import schedule_of


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
            "Rollback",
            "Stuck",
            "Post-checks",
            "Communications",
            "Finalize: a separate change",
            "Known failures",
        ],
    )
    def test_has_every_chapter(self, text, chapter):
        """Every chapter has its heading."""
        assert f"\n## {chapter}\n" in text

    def test_counts_the_cutover_from_its_beginning(self, text):
        """Times are those of the rehearsal: T+ from step 7, S+ for staging."""
        assert re.findall(r"^\| F\d+ \| (\S+) \|", text, re.MULTILINE) == [
            *("S+00:30", "S+01:00", "S+01:30", "S+02:00", "S+02:30"),
            *("T+00:00", "T+00:30", "T+01:00", "T+01:30"),
        ]

    @pytest.mark.parametrize("row", ["F1", "F2", "F3", "F7", "F8", "F9", "F10", "B7", "B2", "R11"])
    def test_every_row_is_complete(self, text, row):
        """Each row has command, expected output, limit with source, alternative and inverse."""
        [section] = re.findall(rf"^### {row}: .*?(?=^##)", text, re.DOTALL | re.MULTILINE)

        for part in ("Command: `vpnmigrate ", "Expected:", "Limit: ", "If not: ", "Inverse: "):
            assert part in section
        assert f"```bash {'forward' if row[0] == 'F' else ''}" in section

    def test_says_who_is_cut_off_from_what(self, text):
        """The impact names sites, networks and durations."""
        assert "1 min 30 s" in text
        assert "10.1.0.0/16" in text
        assert f"cgw-1 at {a_customer_gateway().ip}" in text

    def test_is_the_same_each_time(self, text):
        """The same plan gives the same bytes."""
        assert markdown(a_book()) == text

    def test_data_is_not_markup(self):
        """Tags and names cannot create chapters, links, tables, code or HTML."""
        text = markdown(a_book_of(an_evil_plan()))
        prose = re.sub(r"^(`{3,})bash.*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)

        assert "<script" not in prose.replace("\\<script", "")
        assert "\n# d" not in text.replace("(AWS VPN)", "").split("```bash", maxsplit=1)[0]
        assert re.findall(r"^# ", prose, re.MULTILINE) == ["# "]
        assert len(re.findall(r"^## ", prose, re.MULTILINE)) == 16


class TestDecision:
    def test_stands_before_everything_else(self):
        """Both forms begin with what is decided, GO or NO-GO, and lines to sign."""
        page, text = a_page(a_plan()), markdown(a_book())

        assert page.index("NO-GO") < page.index("fingerprint")
        assert text.index("GO or NO-GO") < text.index("fingerprint")
        assert [role for role, _ in a_book().signatures] == ["change owner", "operator", "approver"]

    def test_names_gateway_and_vpc(self):
        """Title, box and announcements have the names that people know."""
        plan = a_plan()
        gateway = replace(plan.before.gateway, tags={"Name": "hub"})
        vpcs = tuple(replace(vpc, tags={"Name": "production"}) for vpc in plan.before.vpcs)
        book = a_book(gateway=gateway, vpcs=vpcs)

        vpc = f'{plan.vpc} "production"'
        assert book.title == f'Replace {plan.old_gateway} "hub" on {vpc}'
        assert f"to and from {vpc} during" in dict(book.decision)["sites"]
        assert any(vpc in message.text for message in book.messages)
        assert f'detach {plan.old_gateway} "hub" from {vpc}' in book.cutover[1].changes

    def test_names_outage_rollback_and_deadline(self):
        """The box has the rehearsed durations and the moments of the plan's window."""
        window = Window(
            datetime(2026, 3, 7, 1, tzinfo=UTC), datetime(2026, 3, 7, 5, tzinfo=UTC), "tonight"
        )
        decision = dict(a_book(Decisions(window=window)).decision)

        assert decision["outage"].startswith("1 min 30 s in the rehearsal")
        assert decision["rollback"].startswith("10 min at most in the rehearsal: vpnmigrate roll")
        assert decision["decision deadline"] == "2026-03-07 04:20:00Z"


class TestFilledIn:
    def book(self, *people, change="", decisions=None):
        filled = FilledIn(change, people)
        return runbook_of(a_plan(decisions), a_rehearsal(), "plan.json", Invocation(), filled)

    def test_people_and_change_number_are_in_their_places(self):
        """A name is filled in for the one role that begins so, also where it is signed."""
        book = self.book(("operator", "Ann Lee"), ("device-engineer", "Bo"), change="CHG1")

        assert ("operator (runs the commands)", "Ann Lee") in book.people
        assert [name for role, name in book.people if role.startswith("device eng")] == ["Bo"]
        assert ("operator", "Ann Lee") in book.signatures
        assert dict(book.cover)["change number"] == "CHG1"

    @pytest.mark.parametrize("role", ["pilot", "", "a"])
    def test_an_unknown_or_ambiguous_role_is_refused_with_those_there_are(self, role):
        """A name is never filled in for a guessed role."""
        with pytest.raises(UsageError, match="is not one role") as refused:
            self.book((role, "Ann"))
        assert "second operator" in str(refused.value.advice_text)

    def test_another_change_number_than_the_plans_is_refused(self):
        """The number that resources are tagged with is the plan's."""
        with pytest.raises(UsageError, match="has the change number CHG1, not CHG2"):
            self.book(change="CHG2", decisions=Decisions(change="CHG1"))


def test_rows_without_work_are_left_out():
    """Without a test VPC step 6 changes nothing, so it has no row, forward and in a rollback."""
    book = a_book()

    assert [row.key for row in book.staging] == ["F1", "F2", "F3", "F4", "F5"]
    assert "B6" not in [row.key for row in book.back]
    with_test = a_book(Decisions(test_vpc=TestVpc("10.255.0.0/24")))
    assert {"F6", "B6"} <= {row.key for row in (*with_test.staging, *with_test.back)}


def test_a_row_of_the_rollback_does_not_say_to_roll_back():
    """During a rollback there is no way back to advise."""
    assert [row.key for row in a_book().back if "roll back" in row.otherwise.lower()] == []


class TestSchedule:
    WINDOW = Window(
        datetime(2026, 3, 7, 1, tzinfo=UTC), datetime(2026, 3, 7, 2, tzinfo=UTC), "tonight"
    )

    def test_shows_cutover_and_rollback_in_the_window(self):
        """Of one hour, 2 minutes are the cutover, the last 40 rollback and margin."""
        lane = schedule_of(a_plan(Decisions(window=self.WINDOW)), a_rehearsal()).lanes[0]

        cutover, rollback, margin = lane.bars
        assert (cutover.x, cutover.width) == (10, 33)
        assert (rollback.x, rollback.width) == (337, 163)
        assert (margin.x, margin.width, margin.label) == (500, 490, "margin 30 min")
        assert [(flag.x, flag.label) for flag in lane.flags] == [
            (337, "latest start 01:18:00Z, decision deadline 01:20:00Z")
        ]

    def test_without_a_window_shows_the_shortest_one(self):
        """Without a window the bar is as long as a window has to be."""
        lane = schedule_of(a_plan(), a_rehearsal()).lanes[0]

        assert (lane.title, lane.length) == ("a window needs at least", "42 min")


def test_every_gate_of_the_program_is_in_it():
    """The document has every gate that the program evaluates before cutover and finalize."""
    book = a_book()

    assert [each.gate for each in book.gates] == [*gates_before(Milestone.CUTOVER)]
    assert [each.gate for each in book.finalize_gates] == [*gates_before(Milestone.FINALIZE)]


def test_a_plan_that_needs_approvals_says_how_they_are_given():
    """The document lists the approvals, and its cutover command has them."""
    book = a_book(Decisions(approvals=Approvals(required=2)))

    assert "vpnmigrate approve plan.json --region eu-west-1" in [
        check.command for check in book.pre_checks
    ]
    assert "--approval FILE --approval FILE" in book.cutover[0].command


def test_gates_that_cannot_be_forced_are_marked():
    """The force option is shown by gate, except where it would prevent a rollback."""
    force = {each.gate: each.force for each in a_book().gates}

    assert force[Gate.WORLD].startswith("never: ")
    assert force[Gate.CLOCK] == "--force clock --reason TEXT"


class TestDeadline:
    def test_with_a_window_is_a_moment(self):
        """The deadline is the window's end less the longest rollback and the margin."""
        window = Window(
            datetime(2026, 3, 7, 1, tzinfo=UTC), datetime(2026, 3, 7, 5, tzinfo=UTC), "tonight"
        )
        deadline = dict(a_book(Decisions(window=window)).deadline)

        assert deadline["decision deadline"] == "2026-03-07 04:20:00Z"
        assert deadline["latest start"] == "2026-03-07 04:18:00Z"

    def test_without_one_is_a_formula(self):
        """Without a window the deadline is a formula."""
        deadline = dict(a_book().deadline)

        assert deadline["decision deadline"] == "window end - 10 min - 30 min ="


def test_json_has_the_same_content():
    """The JSON has the same content and a schema."""
    book = a_book(Decisions(test_vpc=TestVpc("10.255.0.0/24")))

    document = json.loads(json.dumps(as_json(book)))

    assert document["schema"] == "vpnmigrate/runbook/1"
    assert msgspec.convert(document, type(book)) == book
    assert [row["key"] for row in document["cutover"]] == ["F7", "F8", "F9", "F10"]
    assert f"--confirm {OLD_VPN}" in document["finalize"][0]["command"]


class Elements(HTMLParser):
    """The elements of a page and their texts."""

    def __init__(self, page):
        super().__init__()
        self.elements = []
        self.texts = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data)

    def named(self, tag):
        """Return the attributes of every element with that name."""
        return [attributes for name, attributes in self.elements if name == tag]


class TestPage:
    def test_refers_to_nothing_outside_itself(self):
        """The page is self-contained: no external script, image, style, font or link."""
        page = Elements(a_page(a_plan()))

        assert {tag for tag, _ in page.elements} & {"script", "img", "link", "iframe"} == set()
        assert all(link["href"].startswith("#") for link in page.named("a"))
        assert not [a for _, attrs in page.elements for a in attrs if a in {"src", "xlink:href"}]
        assert "url(" not in a_page(a_plan())
        policy = next(m["content"] for m in page.named("meta") if "http-equiv" in m)
        assert policy.startswith("default-src 'none'")

    def test_every_link_leads_to_a_place_on_it(self):
        """Every link has its target on the page."""
        page = Elements(a_page(a_plan()))
        places = {attrs["id"] for _, attrs in page.elements if "id" in attrs}

        assert {link["href"][1:] for link in page.named("a")} <= places

    def test_data_stays_text(self):
        """Ids, tags and names create no element and no attribute, in prose or in a picture."""
        ordinary, evil = Elements(a_page(a_plan())), Elements(a_page(an_evil_plan()))

        known = {tag for tag, _ in ordinary.elements}
        assert {tag for tag, _ in evil.elements} <= known
        assert not [a for _, attrs in evil.elements for a in attrs if a.startswith("on")]
        assert any("<script>alert('x')</script>" in text for text in evil.texts)

    def test_has_the_shell_of_the_markdown(self):
        """Both forms have identical blocks."""
        plan = a_plan()
        fence = re.compile(r"^```bash .*?\n(.*?)\n```$", re.DOTALL | re.MULTILINE)
        fenced = fence.findall(markdown(a_book()))

        page = "".join(Elements(a_page(plan)).texts)

        assert fenced
        assert [block for block in fenced if block not in page] == []


class TestPictures:
    def test_show_the_path_of_traffic(self):
        """Before through the old gateway, during through none, after through the new one."""
        drawn = {p.moment: p for p in pictures_of(a_plan())}

        def gateways(moment):
            return [(b.lines[0], b.style) for b in drawn[moment].boxes if "gateway" in b.full]

        assert [b.style for b in drawn[DiagramStage.BEFORE].boxes if b.lines[0] == OLD] == [
            ShapeStyle.ACTIVE
        ]
        assert gateways(DiagramStage.DURING) == [("new gateway", ShapeStyle.IDLE)]
        assert gateways(DiagramStage.AFTER) == [("new gateway", ShapeStyle.ACTIVE)]
        assert not [
            line for line in drawn[DiagramStage.DURING].lines if line.style is ShapeStyle.ACTIVE
        ]

    @pytest.mark.parametrize("plan", [a_plan(), a_large_plan()], ids=["small", "large"])
    def test_no_two_boxes_overlap_and_all_lie_within(self, plan):
        """Boxes do not overlap, from one connection to ten and up to sixty tables."""
        for picture in pictures_of(plan):
            spans = [(box.x, box.y) for box in picture.boxes]
            assert len(set(spans)) == len(spans)
            for box in picture.boxes:
                assert box.x + box.width <= WIDTH
                assert box.y + ROW <= picture.height
                below = [b.y for b in picture.boxes if b.x == box.x and b.y > box.y]
                assert not below or min(below) >= box.y + ROW

    def test_many_tables_are_grouped(self):
        """Sixty tables become four boxes, at the same places in every picture."""
        columns = [
            [box for box in picture.boxes if box.x < 100] for picture in pictures_of(a_large_plan())
        ]

        assert [len(boxes) for boxes in columns] == [4, 4, 4]
        assert {box.y for box in columns[0]} == {box.y for box in columns[1]}
        assert sum(int(box.lines[0].split()[0]) for box in columns[0]) == 60

    def test_have_a_title_and_a_description(self):
        """Each picture has a title and a description for screen readers."""
        page = a_page(a_plan())

        assert page.count('role="img"') == 4
        for picture in pictures_of(a_plan()):
            assert f">{picture.title}</title>" in page
            assert f">{picture.description}</desc>" in page


def test_a_driver_is_named_at_its_device_and_on_the_engineer_s_page():
    """The runbook says which device has a driver, and that its engineer stands by."""
    driver = DeviceDriver(DriverKind.COMMAND, ("/usr/local/bin/tunnels",))
    plan = a_plan(Decisions(drivers={"default": driver}))
    text = markdown(a_book_of(plan))

    assert "; driver: command /usr/local/bin/tunnels" in text
    assert "- driver: command /usr/local/bin/tunnels does the work of steps 5 and 10; act" in text
