"""Documents on disk: valid, edited, damaged, too new, too large, or missing."""

from __future__ import annotations

import json
import stat
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from tests.support.builders import MIGRATION, NOON, a_survey
from vpnmigrate.journal.exit_code import exit_code
from vpnmigrate.local.documents import (
    LARGEST_TEXT,
    PLAYBOOKS,
    SCENARIOS,
    describe_documents,
    load_plan,
    load_playbook,
    plan_text,
    read_plan,
    ready_playbooks,
    save_bytes,
)
from vpnmigrate.model.decisions import Decisions, Finalize
from vpnmigrate.model.errors import Exit, MalformedFileError, PlanEditedError, UsageError
from vpnmigrate.model.plan import PLAN_FORMAT, Plan, fingerprint_of
from vpnmigrate.planning.planner import plan_from


@pytest.fixture
def plan() -> Plan:
    """Return the plan of the ordinary migration."""
    return plan_from(
        a_survey(), Decisions(), "standard", migration=MIGRATION, made=NOON, tool="test"
    )


@pytest.fixture
def file(plan: Plan, tmp_path: Path) -> Path:
    """Return that plan's file."""
    path = tmp_path / "plan.json"
    save_bytes(plan_text(plan), path)
    return path


def altered(file: Path, *, sign: bool, **fields: object) -> Path:
    """Write *fields* into a plan's file, with a matching fingerprint if *sign*."""
    document = {**json.loads(file.read_text()), **fields}
    if sign:
        document["fingerprint"] = fingerprint_of(document)
    file.write_text(json.dumps(document))
    return file


class TestPlans:
    """Saving and loading plans."""

    def test_a_plan_comes_back_as_it_was(self, plan: Plan, file: Path) -> None:
        """A loaded plan equals the saved one, including changes and findings."""
        assert load_plan(file) == plan

    def test_a_plan_is_its_owners(self, file: Path) -> None:
        """A plan shows an account's network, so only its owner may read it."""
        assert stat.S_IMODE(file.stat().st_mode) == 0o600

    def test_equal_plans_have_equal_files(self, plan: Plan, file: Path, tmp_path: Path) -> None:
        """The text is canonical, so two plans can be compared with diff."""
        save_bytes(plan_text(plan), tmp_path / "again.json")

        assert (tmp_path / "again.json").read_bytes() == file.read_bytes()

    def test_saving_replaces_the_whole_file(self, plan: Plan, file: Path) -> None:
        """An older plan is replaced atomically, and no temporary file is left."""
        file.write_text("something longer" * 10_000)

        save_bytes(plan_text(plan), file)

        assert load_plan(file) == plan
        assert list(file.parent.glob("*plan.json*")) == [file]

    def test_a_place_that_cannot_be_written_is_told(self, plan: Plan, tmp_path: Path) -> None:
        """A missing folder is a usage error."""
        with pytest.raises(UsageError, match="cannot be written"):
            save_bytes(plan_text(plan), tmp_path / "nowhere" / "plan.json")

    @pytest.mark.parametrize(
        "fields", [{"account": "999999999999"}, {"playbook": "mine"}, {"note": "added"}]
    )
    def test_an_edited_plan_is_refused(self, file: Path, fields: dict[str, object]) -> None:
        """A changed, or an added, field no longer matches the fingerprint."""
        with pytest.raises(PlanEditedError) as caught:
            load_plan(altered(file, sign=False, **fields))

        assert exit_code(caught.value) is Exit.REFUSED

    def test_a_reformatted_plan_is_the_same(self, plan: Plan, file: Path) -> None:
        """Spaces and the order of fields have no meaning, so they may differ."""
        document = json.loads(file.read_text())
        file.write_text(json.dumps(dict(reversed(document.items())), indent=7))

        assert load_plan(file) == plan

    def test_a_plan_without_later_fields_is_read(self, plan: Plan, file: Path) -> None:
        """A plan of an earlier version that lacks newer fields is still read."""
        document = json.loads(file.read_text())
        del document["outage"]
        del document["decisions"]["direct_connect"]
        document["fingerprint"] = fingerprint_of(document)
        file.write_text(json.dumps(document))

        assert read_plan(file).decisions == plan.decisions

    def test_a_plan_of_an_older_format_is_refused_by_name(self, file: Path) -> None:
        """The message names format 1; such a plan is not interpreted."""
        with pytest.raises(MalformedFileError, match="format: 1 is no longer supported"):
            load_plan(altered(file, sign=True, format=1))

    def test_a_plan_of_a_later_format_is_refused(self, file: Path) -> None:
        """A plan of a later format is reported as such, not as damaged."""
        with pytest.raises(MalformedFileError, match="later vpnmigrate"):
            load_plan(altered(file, sign=True, format=PLAN_FORMAT + 1))

    @pytest.mark.parametrize(
        ("fields", "text"),
        [
            ({"migration": 5}, "$.migration"),
            ({"decisions": {"keys": "old"}}, "$.decisions.keys"),
            ({"forward": [{"number": "one", "title": "", "phase": "prepare"}]}, "$.forward[0]"),
        ],
    )
    def test_a_malformed_plan_names_the_field(
        self, file: Path, fields: dict[str, object], text: str
    ) -> None:
        """In a signed plan, a field of the wrong type is reported with its path."""
        with pytest.raises(MalformedFileError) as caught:
            load_plan(altered(file, sign=True, **fields))

        assert str(file) in str(caught.value)
        assert text in str(caught.value)

    @pytest.mark.parametrize(
        ("raw", "text"),
        [
            (b'{\n"format": 1,\n oops', "line 3"),
            (b"", "line 1"),
            (b"[]", "field format"),
            (b"{}", "field format"),
            (b'{"format": "1"}', "field format"),
            (b"\xff\xfe\x00", "plan.json"),
            (b"[" * 100_000, "not JSON text"),
        ],
    )
    def test_what_is_no_plan_is_told(self, tmp_path: Path, raw: bytes, text: str) -> None:
        """Invalid JSON is reported with its line, other JSON as not being a plan."""
        path = tmp_path / "plan.json"
        path.write_bytes(raw)

        with pytest.raises(MalformedFileError, match=text):
            load_plan(path)

    @pytest.mark.parametrize("name", ["missing.json", "folder", "with\0zero"])
    def test_what_cannot_be_read_is_told(self, tmp_path: Path, name: str) -> None:
        """A missing file, a folder and an impossible name are usage errors."""
        (tmp_path / "folder").mkdir()

        with pytest.raises(UsageError, match="cannot be read") as caught:
            load_plan(tmp_path / name)

        assert exit_code(caught.value) is Exit.USAGE

    def test_a_plan_holds_no_secret_field(self, file: Path) -> None:
        """No field of a plan is named like a key or a configuration document."""
        text = file.read_text().lower()

        assert "presharedkey" not in text
        assert "pre_shared_key" not in text
        assert "customergatewayconfiguration" not in text


class TestShelves:
    """Files that come with the program."""

    def test_the_ready_playbooks_are_read(self) -> None:
        """Every ready playbook is valid, named like its file, and one is the standard."""
        books = ready_playbooks()

        assert tuple(book.name for book in books) == PLAYBOOKS.names
        assert "standard" in PLAYBOOKS.names
        assert all(book.summary.endswith(".") for book in books)

    def test_the_standard_playbook_adds_only_a_soak(self) -> None:
        """The playbook ``standard`` has the default decisions, and a soak before finalize."""
        soaked = Decisions(finalize=Finalize(soak=timedelta(days=1)))

        assert load_playbook("standard").decisions == soaked

    def test_a_playbook_may_lie_anywhere(self, tmp_path: Path) -> None:
        """A path selects any other playbook."""
        path = tmp_path / "mine.yaml"
        path.write_text("\ufeffname: mine\nsummary: s\n", encoding="utf-8")

        assert load_playbook(str(path)).name == "mine"

    def test_an_unknown_name_is_told_with_the_known_ones(self) -> None:
        """For a misspelt playbook the message lists the known ones."""
        with pytest.raises(UsageError) as caught:
            load_playbook("standrad")

        assert "standard" in caught.value.advice_text

    def test_a_missing_path_is_told(self, tmp_path: Path) -> None:
        """A missing path is reported as such, not as an unknown name."""
        with pytest.raises(UsageError, match="cannot be read"):
            load_playbook(str(tmp_path / "mine.yaml"))

    def test_a_playbook_of_powershell_is_read(self, tmp_path: Path) -> None:
        """Every text file may be in the encoding that its byte order mark names."""
        path = tmp_path / "mine.yaml"
        path.write_bytes("name: mine\nsummary: s\n".encode("utf-16"))

        assert load_playbook(str(path)).name == "mine"

    def test_a_binary_playbook_is_told(self, tmp_path: Path) -> None:
        """A binary file is not a playbook."""
        path = tmp_path / "mine.yaml"
        path.write_bytes(b"\xfa\xfb\x00\x01")

        with pytest.raises(MalformedFileError, match="UTF-8"):
            load_playbook(str(path))

    def test_a_huge_playbook_is_refused(self, tmp_path: Path) -> None:
        """A file that is too large is not read to its end."""
        path = tmp_path / "mine.yaml"
        path.write_bytes(b"#" * (LARGEST_TEXT + 1))

        with pytest.raises(MalformedFileError, match="larger than 1 MB"):
            load_playbook(str(path))

    def test_scenarios_are_read_by_name(self) -> None:
        """The scenarios that come with the program are found, with their text."""
        assert "single-bgp" in SCENARIOS.names
        assert SCENARIOS.read("single-bgp").text


class TestDescribeOutput:
    """Saved output of ``aws ec2 describe-*``."""

    def test_a_folder_of_answers_is_merged(self, tmp_path: Path) -> None:
        """One file per answer, several pages of an answer, or one file for all are equivalent."""
        (tmp_path / "1.json").write_text('{"RouteTables": [{"RouteTableId": "rtb-1"}]}')
        (tmp_path / "2.json").write_text(
            '{"RouteTables": [{"RouteTableId": "rtb-2"}], "NextToken": "x"}'
        )
        (tmp_path / "3.json").write_text('{"Vpcs": []}')

        assert describe_documents(tmp_path) == {
            "RouteTables": [{"RouteTableId": "rtb-1"}, {"RouteTableId": "rtb-2"}],
            "Vpcs": [],
        }

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
    def test_text_of_powershell_is_read(self, tmp_path: Path, encoding: str) -> None:
        """PowerShell's ``>`` writes UTF-16, or UTF-8 with a byte order mark."""
        mark = "\ufeff" if encoding == "utf-16-be" else ""
        file = tmp_path / "vpcs.json"
        file.write_bytes(f'{mark}{{"Vpcs": [{{"VpcId": "vpc-ä"}}]}}'.encode(encoding))

        assert describe_documents(file) == {"Vpcs": [{"VpcId": "vpc-ä"}]}

    def test_broken_utf16_is_named(self, tmp_path: Path) -> None:
        """Text that ends within a character is refused with its encoding."""
        file = tmp_path / "vpcs.json"
        file.write_bytes('{"Vpcs": []}'.encode("utf-16")[:-1])

        with pytest.raises(MalformedFileError, match="not valid UTF-16") as caught:
            describe_documents(file)
        assert "UTF-8" in caught.value.advice_text

    def test_a_part_of_an_answer_is_refused(self, tmp_path: Path) -> None:
        """If the last page is missing, the account would be incomplete without an error."""
        (tmp_path / "1.json").write_text('{"RouteTables": [], "NextToken": "x"}')
        (tmp_path / "2.json").write_text('{"Vpcs": []}')

        with pytest.raises(MalformedFileError, match="RouteTables is only a part"):
            describe_documents(tmp_path)

    @pytest.mark.parametrize(
        ("text", "output"),
        [
            ("[]", "not an object"),
            ('{"Vpcs": {}}', "field Vpcs"),
            ('{"Vpcs": [1]}', "field Vpcs"),
            ("{\n\n,", "line 3"),
        ],
    )
    def test_other_json_is_told(self, tmp_path: Path, text: str, output: str) -> None:
        """Other JSON is reported with its field or line."""
        path = tmp_path / "saved.json"
        path.write_text(text)

        with pytest.raises(MalformedFileError, match=output):
            describe_documents(path)

    def test_no_value_is_repeated(self, tmp_path: Path) -> None:
        """Describe output contains keys, so an error quotes nothing of it."""
        path = tmp_path / "saved.json"
        path.write_text('{"VpnConnections": "hunter2hunter2"}')

        with pytest.raises(MalformedFileError) as caught:
            describe_documents(path)

        assert "hunter2" not in str(caught.value)

    def test_an_empty_folder_is_told(self, tmp_path: Path) -> None:
        """A folder without JSON is a usage error."""
        with pytest.raises(UsageError, match=r"no \.json file"):
            describe_documents(tmp_path)


def test_the_fingerprint_covers_the_json_as_decoded(plan: Plan) -> None:
    """The fingerprint is the same after signing and after reading."""
    document = json.loads(msgspec.json.encode(plan))

    assert fingerprint_of(document) == plan.fingerprint
