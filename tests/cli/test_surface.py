"""Public interface: commands, flags, help, JSON, completion, and start-up time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from vpnmigrate.cli.app import app
from vpnmigrate.cli.reference import markdown
from vpnmigrate.model.errors import Exit

GIVEN_TO_RUNS = {"--run-dir"}
GIVEN_TO_AWS = {"--endpoint-url", "--profile", "--region"}
GIVEN_TO_FLEETS = {"--database", "--database-file"}
ALWAYS = {"--json", "--color", "--help"}

BROUGHT_TO_GATES = {"--approval", "--force", "--reason"}
FLAGS = {
    "plan": {"--vpn-gateway", "--vpn-connection", "--playbook", "--output", "-o", "--from"}
    | {"--change", "--window", "--allowed-signers", "--sign-key"}
    | GIVEN_TO_RUNS
    | GIVEN_TO_AWS,
    "doctor": {"--bundle"} | GIVEN_TO_RUNS | GIVEN_TO_AWS,
    "list": {"--playbook"} | GIVEN_TO_AWS,
    "discover": {"--all-regions", "--role-arn", "--organization", "--accounts", "--jobs"}
    | {"--gateway", "--terraform-state"}
    | {"--csv", "--playbook", "--output", "-o"}
    | GIVEN_TO_AWS,
    "show": {"--steps", "--diff"} | GIVEN_TO_RUNS,
    "rehearse": {"--faults", "--outages", "--seed"} | GIVEN_TO_RUNS,
    "runbook": {"--output", "-o", "--change", "--person"},
    "iam-policy": {"--phase", "--delete-old-gateway", "--region", "--role-arn", "--organization"},
    "approve": {"--output", "-o", "--yes", "--no-input", "--sign-key", "--after"} | GIVEN_TO_AWS,
    "apply": {
        "--until",
        "--step",
        "--confirm-within",
        "--take-over",
        "--adopt",
        "--yes",
        "--no-input",
        "--probe",
        "--no-probes",
    }
    | BROUGHT_TO_GATES
    | GIVEN_TO_RUNS
    | GIVEN_TO_AWS,
    "done": {"--connection"} | GIVEN_TO_RUNS,
    "device files": GIVEN_TO_RUNS,
    "device sheet": GIVEN_TO_RUNS,
    "device sample": {"--existing"} | GIVEN_TO_RUNS,
    "device types": GIVEN_TO_RUNS | GIVEN_TO_AWS,
    "device driver": {"--remove"} | GIVEN_TO_RUNS,
    "device config": {"--site", "--platform", "--existing", "--templates", "--with-keys"}
    | {"--seal-to", "--output", "-o"}
    | GIVEN_TO_RUNS,
    "pause": GIVEN_TO_RUNS,
    "continue": {"--accept-degraded", "--reason"} | GIVEN_TO_RUNS,
    "abort": GIVEN_TO_RUNS,
    "confirm": GIVEN_TO_RUNS,
    "watchdog": GIVEN_TO_RUNS | GIVEN_TO_AWS,
    "rollback": {"--keep-new", "--take-over", "--adopt", "--yes", "--no-input"}
    | GIVEN_TO_RUNS
    | GIVEN_TO_AWS,
    "finalize": {"--confirm", "--delete-old-gateway", "--take-over", "--no-input"}
    | BROUGHT_TO_GATES
    | GIVEN_TO_RUNS
    | GIVEN_TO_AWS,
    "status": {"--watch", "--gates"} | GIVEN_TO_RUNS,
    "hand-back": {"--terraform-state", "--output", "-o"} | GIVEN_TO_RUNS,
    "report show": {"--output", "-o", "--bundle", "--survey", "--sign-key"}
    | GIVEN_TO_RUNS
    | GIVEN_TO_AWS,
    "demo": {"--step", "--fast"},
    "lab": {"--routing", "--platform", "--logs", "--picture"},
    "report verify": {"--sha256", "--allowed-signers", "--revoked-keys"},
    "fleet new": {"--output", "-o", "--name", "--playbook", "--canary", "--wave-size"}
    | {"--role-arn", "--organization"},
    "fleet plan": {"--role-arn", "--again", "--change", "--jobs"}
    | GIVEN_TO_RUNS
    | GIVEN_TO_AWS
    | GIVEN_TO_FLEETS,
    "fleet rehearse": GIVEN_TO_RUNS | GIVEN_TO_FLEETS,
    "fleet status": {"--all"} | GIVEN_TO_RUNS | GIVEN_TO_FLEETS,
    "fleet serve": {"--port"} | GIVEN_TO_RUNS | GIVEN_TO_FLEETS,
    "fleet schema": set(),
    "fleet start": {"--prepare", "--probe", "--no-probes", "--confirm-within"}
    | BROUGHT_TO_GATES
    | GIVEN_TO_FLEETS,
    "fleet rollback": {"--keep-new", "--yes", "--no-input", "--wave", "--withdraw"}
    | GIVEN_TO_FLEETS,
    "fleet finalize": {"--confirm", "--delete-old-gateway", "--wave", "--withdraw"}
    | BROUGHT_TO_GATES
    | GIVEN_TO_FLEETS,
    "fleet worker": {"--name", "--runs"} | GIVEN_TO_FLEETS | GIVEN_TO_RUNS | GIVEN_TO_AWS,
    "fleet database": GIVEN_TO_FLEETS,
    "fleet pause": GIVEN_TO_FLEETS,
    "fleet resume": {"--accept-degraded", "--reason"} | GIVEN_TO_FLEETS,
    "fleet stop": GIVEN_TO_FLEETS,
    "fleet done": {"--connection"} | GIVEN_TO_FLEETS,
    "fleet confirm": GIVEN_TO_FLEETS,
    "fleet abort": GIVEN_TO_FLEETS,
    "fleet approve": {"--wave"} | GIVEN_TO_FLEETS,
    "playbook list": set(),
    "playbook show": set(),
    "playbook schema": set(),
    "sandbox serve": {"--scenario", "--account", "--port", "--speed"} | {"--attentive", "--policy"},
    "sandbox scenarios": set(),
    "sandbox device": {"--endpoint-url"},
    "sandbox advance": {"--endpoint-url"},
}


def commands(group=None, path=""):
    group = group or typer.main.get_command(app)
    for name, command in group.commands.items():
        full = f"{path} {name}".strip()
        if hasattr(command, "commands"):
            yield from commands(command, full)
        else:
            yield full, command


def test_verbs_and_flags_are_those_promised():
    """Scripts and change documents depend on these names."""
    found = {
        path: {
            flag
            for parameter in command.get_params(
                command.make_context(path, [], resilient_parsing=True)
            )
            for flag in parameter.opts
            if flag.startswith("-")
        }
        for path, command in commands()
    }

    assert found == {path: flags | ALWAYS for path, flags in FLAGS.items()}


def test_every_option_is_explained():
    """Also those of groups that several commands share."""
    unexplained = {
        f"{path} {option.opts[0]}"
        for path, command in commands()
        for option in command.get_params(command.make_context(path, [], resilient_parsing=True))
        if option.param_type_name == "option" and not option.help
    }

    assert unexplained == set()


@pytest.mark.parametrize("path", FLAGS)
def test_help_fits_eighty_columns_and_needs_no_unicode(terminal, path):
    """Help is plain text on every terminal."""
    ran = terminal.run(*path.split(), "--help")

    assert ran.code == 0
    assert ran.out.isascii()
    assert [line for line in ran.out.splitlines() if len(line) > 80] == []


def test_without_a_verb_the_program_explains_itself(terminal):
    """Without a command the help is printed."""
    ran = terminal.run()

    assert ran.code == 0
    assert ran.out.startswith("Usage: vpnmigrate")
    for code in Exit:
        assert f"{code.value} " in ran.out.split("Exit codes:")[1].replace("\n  ", " ")


@pytest.mark.parametrize("group", ["report", "playbook", "sandbox"])
def test_half_a_command_leads_to_its_help(terminal, group):
    """A group without a command is a usage error of one line."""
    ran = terminal.run(group)

    assert ran.code == 2
    next_line = f"  Next: vpnmigrate {group} --help"
    assert ran.err.splitlines() == ["Missing command.", "  Id:   VPM-E101", next_line]


def test_each_line_of_the_verb_list_is_a_whole_sentence(terminal):
    """No summary is cut off."""
    assert "..." not in terminal.run().out.split("Commands:")[1]


def test_the_reference_has_every_verb():
    """The generated page in docs/ is up to date and complete."""
    page = markdown()

    for path in FLAGS:
        assert f"## vpnmigrate {path}\n" in page
    for code in Exit:
        assert f"| {code.value} |" in page


@pytest.mark.parametrize(
    "words",
    [
        ["playbook", "list"],
        ["playbook", "show", "standard"],
        ["playbook", "schema"],
        ["fleet", "schema"],
        ["sandbox", "scenarios"],
        ["status"],
    ],
)
def test_json_is_one_document_and_nothing_else(terminal, words):
    """Standard output can be piped into a JSON reader as it is."""
    ran = terminal.run(*words, "--json")

    assert ran.code == 0
    assert isinstance(ran.document, dict)
    assert ran.err == ""


def process(*words, out=subprocess.PIPE, **environment):
    return subprocess.run(
        [sys.executable, *words],
        stdout=out,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        env={**os.environ, **environment},
        cwd=Path(__file__).parents[2],
    )


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["apply", "--help"]])
def test_help_and_version_load_nothing_slow(words):
    """Help does not import boto3, moto, Rich or Jinja2."""
    # The help of a command imports its module, and so the types of its values.
    slow = {
        "boto3",
        "botocore",
        "moto",
        "rich",
        "jinja2",
        *(["msgspec"] if len(words) == 1 else ()),
    }
    script = (
        "import sys\n"
        "from vpnmigrate.cli import main\n"
        f"sys.argv[1:] = {words!r}\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as end:\n"
        "    code = end.code\n"
        f"slow = {slow!r} & set(sys.modules)\n"
        "sys.exit(f'loaded: {slow}' if slow or code else 0)\n"
    )

    ended = process("-c", script)

    assert ended.returncode == 0, ended.stderr


COUNTED = """
import gc, sys
begun = []
gc.callbacks.append(lambda phase, info: begun.append(info) if phase == "start" else None)
sys.argv = ["vpnmigrate", "sandbox", "scenarios"]
from vpnmigrate.cli import main
try:
    main()
finally:
    print(len(begun), file=sys.stderr)
"""


def test_a_start_is_not_searched_for_garbage():
    """A command starts and ends with a few garbage collections, instead of hundreds."""
    ended = process("-c", COUNTED)

    assert "single-bgp" in ended.stdout
    assert int(ended.stderr) < 10


def test_the_program_runs_as_a_module():
    """``python -m vpnmigrate`` is the program."""
    ended = process("-m", "vpnmigrate", "--version")

    assert ended.returncode == 0
    assert ended.stdout.startswith("vpnmigrate 0.")


def test_a_reader_that_leaves_early_is_no_failure():
    """``vpnmigrate ... | head`` ends quietly, with the code the command would have had."""
    script = (
        "import os, sys\n"
        "from vpnmigrate.cli.main import run_command\n"
        "reading, writing = os.pipe()\n"
        "os.close(reading)\n"
        "os.dup2(writing, 1)\n"
        "sys.exit(run_command(['playbook', 'schema']))\n"
    )

    ended = process("-c", script)

    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("words", [["--version"], [], ["apply", "--help"]])
def test_help_that_cannot_be_written_is_no_defect(words):
    """Help on a full disk is an error as for every result; a closed pipe is not."""
    with Path("/dev/full").open("w") as full:
        cut_off = process("-m", "vpnmigrate", *words, out=full)
    reading, writing = os.pipe()
    os.close(reading)
    left = process("-m", "vpnmigrate", *words, out=writing)
    os.close(writing)

    assert (cut_off.returncode, left.returncode) == (1, 0)
    assert cut_off.stderr.startswith("the result could not be written to standard output")
    assert left.stderr == ""


def test_a_shell_can_complete_verbs_and_runs(terminal, tmp_path):
    """Tab completes a command, and the id of a run."""
    run_id = terminal.planned()
    terminal.run("apply", "plan.json", "--until", "cutover")

    def completed(line):
        words = line.split(" ")
        return process(
            "-m",
            "vpnmigrate",
            _VPNMIGRATE_COMPLETE="complete_bash",
            COMP_WORDS=line,
            COMP_CWORD=str(len(words) - 1),
        ).stdout.split()

    assert completed("vpnmigrate finali") == ["finalize"]
    assert completed("vpnmigrate status m-") == [run_id]


def test_errors_of_an_ordinary_process_have_no_traceback():
    """The installed program behaves as the commands do in this process."""
    ended = process("-m", "vpnmigrate", "apply", "no-such-run", "--json")

    assert ended.returncode == 2
    assert json.loads(ended.stdout)["error"]["exit"] == 2
    assert "Traceback" not in ended.stderr


def groups(program):
    yield program
    yield from (each for each in program.commands.values() if hasattr(each, "entries"))


def test_help_lists_each_command_in_its_own_words():
    """The list of commands imports none of them, and shows the first sentence of each help."""
    for group in groups(typer.main.get_command(app)):
        for name, entry in group.entries.items():
            assert group.commands[name].get_short_help_str(200) == entry.help


def test_no_command_imports_the_libraries_of_a_fleet_before_it_needs_them():
    """A machine without the extra runs every command that needs no database."""
    program = (
        "import importlib, pkgutil, sys\n"
        "import vpnmigrate.cli.commands as commands\n"
        "for each in pkgutil.iter_modules(commands.__path__):\n"
        "    importlib.import_module(f'{commands.__name__}.{each.name}')\n"
        "loaded = {'alembic', 'pgqueuer', 'psycopg', 'sqlalchemy'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {loaded}' if loaded else 0)\n"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert ended.returncode == 0, ended.stderr
