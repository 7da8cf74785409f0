"""Programs that a plan names: their contents are pinned, and changed ones are not run."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.builders import a_run
from vpnmigrate.local.probes import Prober
from vpnmigrate.local.program_files import changed, checked, pinned, require_programs_unchanged
from vpnmigrate.local.subprocess_limits import ProcessLimits, run_bounded
from vpnmigrate.model.clock import SteadyClock
from vpnmigrate.model.decisions import Decisions, HookMoment, TestVpc
from vpnmigrate.model.errors import MalformedFileError, RefusedError, UsageError
from vpnmigrate.model.probes import ProbeStats, missed
from vpnmigrate.planning.playbook import playbook_from

PATIENT = ProcessLimits(timedelta(seconds=60))


@pytest.fixture
def hook(tmp_path: Path) -> Path:
    """A hook that prints its version."""
    return program(tmp_path / "hook", "echo planned")


def program(path: Path, says: str) -> Path:
    path.write_text(f"#!/bin/sh\n{says}\n")
    path.chmod(0o755)
    return path


def decided(*words: str) -> Decisions:
    return Decisions(hooks={HookMoment.HELD: words})


class TestNames:
    @pytest.mark.parametrize(
        ("line", "field", "who"),
        [
            ("hooks: {held: [tell]}", "decisions.hooks.held", "PATH"),
            ("hooks: {held: [./tell]}", "decisions.hooks.held", "the working directory"),
            ("hooks: {held: ['~/tell']}", "decisions.hooks.held", "the working directory"),
            ("hooks: {held: ['']}", "decisions.hooks.held", "PATH"),
            ("test_vpc: {cidr: 10.9.0.0/24, command: [try]}", "decisions.test_vpc.command", "PATH"),
            ("probes: ['10.0.0.1:22', 'ping -c 1 10.1.0.5']", "decisions.probes[1]", "PATH"),
        ],
    )
    def test_a_playbook_names_programs_by_absolute_paths(self, line, field, who):
        """Without an absolute path, the program depends on PATH."""
        text = f"name: x\nsummary: s\ndecisions:\n  {line}\n"

        with pytest.raises(MalformedFileError, match="not an absolute path") as caught:
            playbook_from(text, "x.yaml")

        assert f"so {who} would decide" in caught.value.message
        assert "absolute path" in caught.value.advice_text
        assert field.split("[", maxsplit=1)[0] in caught.value.message

    def test_a_test_without_a_command_is_a_persons(self):
        """A test without a command is for the operator, so no program is checked."""
        text = "name: x\nsummary: s\ndecisions:\n  test_vpc: {cidr: 10.9.0.0/24}\n"

        assert playbook_from(text, "x.yaml").decisions.test_vpc == TestVpc("10.9.0.0/24")


class TestPinning:
    def test_what_is_run_is_pinned_and_what_is_data_is_not(self, hook, tmp_path):
        """Scripts of an interpreter and executable arguments are pinned; other files are not."""
        settings = tmp_path / "settings.json"
        settings.write_text("{}")

        assert set(pinned(decided(str(hook), str(settings)))) == {str(hook)}
        assert set(pinned(decided("/bin/sh", str(settings), "-x"))) == {"/bin/sh", str(settings)}
        wrapped = decided("/bin/true", str(hook), str(tmp_path))
        assert set(pinned(wrapped)) == {"/bin/true", str(hook)}

    def test_every_command_of_a_playbook_is_pinned(self, hook):
        """Hooks, probes and the test of step 6 are pinned."""
        decisions = Decisions(
            probes=("10.0.0.1:22", "/bin/true x"),
            test_vpc=TestVpc("10.9.0.0/24", (sys.executable,)),
            hooks={HookMoment.HELD: (str(hook),)},
        )

        assert set(pinned(decisions)) == {"/bin/true", sys.executable, str(hook)}

    def test_what_could_not_be_run_is_refused_when_planning(self, tmp_path):
        """A missing file, one that is not executable, a directory, and a pipe that would hang."""
        text = tmp_path / "text"
        text.write_text("x")
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe, 0o755)

        for path in (tmp_path / "missing", text, tmp_path, pipe):
            with pytest.raises(UsageError, match=r"decisions\.hooks\.held: "):
                pinned(decided(str(path)))


class TestChecking:
    def changes(self, hook: Path) -> list[Callable[[], object]]:
        other = program(hook.with_name("other"), "echo other")

        def by_link() -> None:
            hook.unlink()
            hook.symlink_to(other)

        return [
            lambda: program(hook, "echo other"),
            lambda: other.replace(hook),
            by_link,
            hook.unlink,
        ]

    @pytest.mark.parametrize("number", range(4))
    def test_another_content_is_not_run(self, hook, tmp_path, number):
        """Rewritten, replaced, made a link to another one, or gone."""
        run = a_run(tmp_path / "runs")
        programs = pinned(decided(str(hook)))
        good = run_bounded([str(hook)], b"", PATIENT, run, programs)

        self.changes(hook)[number]()
        bad = run_bounded([str(hook)], b"", PATIENT, run, programs)

        assert (good.fault, good.output) == ("", "planned\n")
        assert bad.exit is None
        assert bad.fault.startswith(f"was not run: {hook} ")
        assert bad.output == ""

    def test_a_script_of_an_interpreter_counts_as_well(self, tmp_path):
        """A changed script is detected, although the interpreter is unchanged."""
        script = tmp_path / "script.py"
        script.write_text("print(1)")
        words = (sys.executable, str(script))
        programs = pinned(decided(*words))

        script.write_text("print(2)")

        assert checked(words, programs).fault == (
            f"{script} differs from what it was when the plan was made"
        )

    def test_the_same_content_elsewhere_on_the_disk_will_do(self, hook):
        """A restored backup has another inode, and counts as the same program."""
        programs = pinned(decided(str(hook)))
        program(hook.with_name("again"), "echo planned").replace(hook)

        assert changed(decided(str(hook)), programs) == ""

    def test_a_file_that_is_exchanged_after_the_check_is_noticed(self, hook):
        """A file with another inode, size or time counts as replaced."""
        files = checked([str(hook)], pinned(decided(str(hook))))
        seen = [files.replaced]

        program(hook.with_name("again"), "echo planned").replace(hook)
        seen.append(files.replaced)
        hook.unlink()
        seen.append(files.replaced)

        assert seen == [False, True, True]

    def test_the_first_one_that_changed_is_named_with_what_to_do(self, hook):
        """A changed program needs a new plan, and so a new approval."""
        decisions = decided(str(hook))
        programs = pinned(decisions)
        require_programs_unchanged(decisions, programs, "m-1")
        program(hook, "echo other")

        with pytest.raises(RefusedError, match=r"hooks\.held: .* differs from what") as caught:
            require_programs_unchanged(decisions, programs, "m-1")

        assert caught.value.advice_text == "vpnmigrate plan --from m-1"


def test_a_probe_that_changed_is_not_sent_and_not_missed(hook, tmp_path):
    """A changed probe is reported, and verification does not wait for it."""
    run = a_run(tmp_path / "runs")
    note = tmp_path / "note"
    program(hook, "true")
    programs = pinned(Decisions(probes=(str(hook),)))
    prober = Prober(SteadyClock(), run, programs)
    prober.begin([ProbeStats(str(hook))])
    _until(lambda: bool(prober.stats()[0].works))

    program(hook, f"echo ran > {note}; false")
    _until(lambda: bool(prober.stats()[0].halted))
    (stats,) = prober.stats()
    prober.end()

    assert stats.halted == f"{hook} differs from what it was when the plan was made"
    assert missed([stats], [str(hook)]) == ()
    assert not note.exists()


def _until(holds) -> None:
    give_up = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.05)
