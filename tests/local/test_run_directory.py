"""Run directories: private, found by id, and separate."""

from __future__ import annotations

import stat
from pathlib import Path

import msgspec
import pytest

from tests.support.builders import MIGRATION, a_plan, a_run
from vpnmigrate.local.private_files import write_whole
from vpnmigrate.local.run_directory import Runs
from vpnmigrate.model.ec2 import MigrationId
from vpnmigrate.model.errors import MalformedFileError, RefusedError, UsageError, VpnMigrateError

OTHERS = [0o755, 0o750, 0o701, 0o777]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The directory of the runs; not created yet."""
    return tmp_path / "deep" / "runs"


class TestCreating:
    """Creating a run."""

    def test_a_run_is_private_from_the_start(self, home: Path) -> None:
        """Every directory of a run is 0700 and every file 0600."""
        run = a_run(home)

        modes = {p: stat.S_IMODE(p.stat().st_mode) for p in [run.path, *run.path.rglob("*")]}

        assert all(mode == (0o700 if p.is_dir() else 0o600) for p, mode in modes.items())
        assert {p.name for p in run.path.iterdir()} == {
            "plan.json",
            "holder",
            "journal.head",
            "inbox",
            "vault",
            "work",
        }

    def test_the_plan_is_copied_in(self, home: Path) -> None:
        """The run keeps an exact copy of its plan file, and its holder."""
        plan = msgspec.structs.replace(a_plan(), fingerprint="f" * 64)
        text = b" " + msgspec.json.encode(plan) + b"\n"

        run = Runs(home).create(plan, text, "alice@laptop/77")

        assert run.plan.read_bytes() == text
        assert run.fingerprint == "f" * 64
        assert run.holder == "alice@laptop/77"
        assert run.id == MIGRATION

    def test_beginning_again_finds_the_run(self, home: Path) -> None:
        """Creating the run of a plan twice returns the same run, with its first holder."""
        first = a_run(home)
        plan = msgspec.structs.replace(a_plan(), fingerprint="f" * 64)

        second = Runs(home).create(plan, msgspec.json.encode(plan), "bob@desk/2")

        assert second == first
        assert second.holder == "alice@laptop/1"

    def test_another_plan_of_the_migration_is_refused(self, home: Path) -> None:
        """A run is resumed with its own plan; another one needs ``plan --from``."""
        a_run(home)

        with pytest.raises(RefusedError, match="started with another plan") as caught:
            a_run(home, fingerprint="e" * 64)

        assert f"vpnmigrate plan --from {MIGRATION}" in caught.value.advice_text

    def test_a_newer_plan_is_put_in_force_and_the_former_kept(self, home: Path) -> None:
        """After planning again the run has the new plan, and the old one can still be read."""
        run = a_run(home)
        former = run.plan.read_bytes()
        newer = msgspec.structs.replace(a_plan(), fingerprint="e" * 64)

        run.replan(newer, msgspec.json.encode(newer))
        run.replan(newer, msgspec.json.encode(newer))

        assert run.fingerprint == "e" * 64
        assert (run.path / "plan.ffffffffffff.json").read_bytes() == former
        assert a_run(home, fingerprint="e" * 64) == run

    def test_a_plan_of_another_migration_is_not_put_in_force(self, home: Path) -> None:
        """A run belongs to one migration permanently."""
        run = a_run(home)
        other = msgspec.structs.replace(a_plan(), migration=MigrationId("mig-other"))

        with pytest.raises(UsageError, match="mig-other"):
            run.replan(other, b"")

        assert run.fingerprint == "f" * 64

    @pytest.mark.parametrize("name", ["../up", "", ".hidden", "a/b", "a b"])
    def test_an_id_that_is_no_plain_name_is_refused(self, home: Path, name: str) -> None:
        """A plan cannot create a run outside the directory of the runs."""
        with pytest.raises(UsageError):
            a_run(home, migration=MigrationId(name))

        assert not home.exists()

    def test_a_run_appears_whole_or_not_at_all(self, home: Path) -> None:
        """Files left by a crash during creation do not count as a run."""
        run = a_run(home)
        (home / f".{run.id}.0123").mkdir()
        (home / f".{run.id}.0123" / "plan.json").write_bytes(b"")

        assert Runs(home).list() == (run,)

    def test_a_home_that_cannot_be_made_is_told(self, tmp_path: Path) -> None:
        """If the home is a file, the message names it."""
        (tmp_path / "file").write_bytes(b"")

        with pytest.raises(VpnMigrateError, match="file") as caught:
            a_run(tmp_path / "file" / "runs")

        assert "--run-dir" in caught.value.advice_text


class TestFinding:
    """Finding a run."""

    def test_an_id_or_the_beginning_of_one_finds_it(self, home: Path) -> None:
        """A run is found by its id, or by a unique beginning of it."""
        runs = [a_run(home, migration=MigrationId(f"mig-{n}")) for n in ("one", "one-b", "two")]

        found = [Runs(home).find(text) for text in ("mig-one", "mig-one-", "mig-t")]

        assert found == runs
        assert Runs(home).list() == tuple(runs)

    def test_what_fits_several_names_them(self, home: Path) -> None:
        """A beginning that matches several runs is refused, and the message lists them."""
        for name in ("mig-a", "mig-b"):
            a_run(home, migration=MigrationId(name))

        with pytest.raises(UsageError, match="mig-a, mig-b"):
            Runs(home).find("mig-")

    @pytest.mark.parametrize("text", ["mig-x", "", "../runs"])
    def test_an_unknown_one_names_the_known(self, home: Path, text: str) -> None:
        """For an unknown id the message names the directory and its runs."""
        a_run(home, migration=MigrationId("mig-a"))

        with pytest.raises(UsageError, match="known: mig-a") as caught:
            Runs(home).find(text)

        assert str(home) in caught.value.message

    def test_no_home_has_no_runs(self, home: Path) -> None:
        """Listing runs creates nothing."""
        assert Runs(home).list() == ()
        with pytest.raises(UsageError, match="known: none"):
            Runs(home).find("mig-a")
        assert not home.exists()


class TestPrivacy:
    """A run contains device keys, so its directory has to be private."""

    @pytest.mark.parametrize("mode", OTHERS)
    def test_a_run_that_others_can_enter_is_refused(self, home: Path, mode: int) -> None:
        """A directory open to others is refused, with the command that fixes it."""
        run = a_run(home)
        run.path.chmod(mode)

        with pytest.raises(RefusedError, match="open to other users") as caught:
            Runs(home).find(run.id)
        with pytest.raises(RefusedError):
            a_run(home)

        assert caught.value.advice_text == f"chmod -R go= {run.path}"

    def test_a_run_behind_a_link_is_refused(self, home: Path) -> None:
        """A link is refused as a run directory, because its target may change."""
        run = a_run(home)
        elsewhere = home.parent / "elsewhere"
        run.path.rename(elsewhere)
        run.path.symlink_to(elsewhere)

        with pytest.raises(RefusedError, match="is a link"):
            Runs(home).find(run.id)
        with pytest.raises(RefusedError, match="is a link"):
            a_run(home)

    def test_a_damaged_plan_is_told(self, home: Path) -> None:
        """A damaged copy of the plan is named, with advice."""
        run = a_run(home)
        run.plan.write_bytes(b"\xff")

        with pytest.raises(MalformedFileError, match=r"plan\.json") as caught:
            a_run(home)

        assert caught.value.advice_text


class TestWritingWhole:
    """Files that appear atomically."""

    def test_a_file_is_replaced_and_stays_private(self, tmp_path: Path) -> None:
        """The new content replaces the old, with a private mode, and no temporary file is left."""
        path = tmp_path / "file"
        path.write_bytes(b"old")
        path.chmod(0o644)

        write_whole(path, b"new")

        assert path.read_bytes() == b"new"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert list(tmp_path.glob("*file*")) == [path]

    def test_what_cannot_be_put_in_place_leaves_nothing(self, tmp_path: Path) -> None:
        """A failed write leaves neither a partial file nor a temporary one."""
        path = tmp_path / "folder"
        path.mkdir()

        with pytest.raises(OSError, match="folder"):
            write_whole(path, b"new")

        assert [p.name for p in tmp_path.iterdir() if "folder" in p.name] == ["folder"]
