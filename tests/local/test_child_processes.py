"""Environment and working directory of child processes."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.builders import a_run
from vpnmigrate.cli.options import AwsOptions
from vpnmigrate.cli.prompts import NoPrompt, TerminalOperator
from vpnmigrate.local.child_processes import (
    OPERATOR_PROGRAM,
    WATCHDOG,
    Inheritance,
    child_environment,
    working_directory,
)
from vpnmigrate.local.probes import Prober
from vpnmigrate.local.program_files import pinned
from vpnmigrate.local.run_directory import Run
from vpnmigrate.local.subprocess_limits import ProcessLimits, run_bounded
from vpnmigrate.local.watchdog_process import WatchdogProcess
from vpnmigrate.model.changes import RunTest
from vpnmigrate.model.clock import SteadyClock
from vpnmigrate.model.decisions import Decisions, HookMoment
from vpnmigrate.model.errors import RefusedError
from vpnmigrate.model.probes import ProbeStats
from vpnmigrate.model.snapshot import Confirmation
from vpnmigrate.report.console import Console
from vpnmigrate.report.text import RunCommands

HERE = Path("/run/here")
PYTHON = pinned(Decisions(hooks={HookMoment.HELD: (sys.executable,)}))
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "canary-id",
    "AWS_SECRET_ACCESS_KEY": "canary-secret",
    "AWS_SESSION_TOKEN": "canary-session",
    "AWS_SECURITY_TOKEN": "canary-security",
    "AWS_BEARER_TOKEN_BEDROCK": "canary-bearer",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN": "canary-container",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/run/canary/container-token",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.2/canary",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/canary",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/run/canary/web-identity",
    "AWS_ROLE_ARN": "arn:aws:iam::1:role/canary",
    "AWS_PROFILE": "canary-profile",
    "AWS_DEFAULT_PROFILE": "canary-profile",
    "AWS_CONFIG_FILE": "/run/canary/config",
    "AWS_SHARED_CREDENTIALS_FILE": "/run/canary/credentials",
    "AWS_CREDENTIAL_FILE": "/run/canary/old",
    "BOTO_CONFIG": "/run/canary/boto",
    "AWS_SOME_SECRET_OF_NEXT_YEAR": "canary-future",
    "HTTPS_PROXY": "http://ann:canary-proxy@proxy.example.net:3128",
    "all_proxy": "ann:canary-p@ss@proxy.example.net:3128",
}
CODE = (
    *("PYTHONPATH", "PYTHONSTARTUP", "PYTHONHOME", "PYTHONWARNINGS", "PYTHONPYCACHEPREFIX"),
    *("LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "DYLD_INSERT_LIBRARIES", "OLDPWD"),
    *("BASH_ENV", "ENV", "BASH_FUNC_ls%%", "PERL5OPT", "RUBYOPT", "NODE_OPTIONS"),
)
PRINTS = "import json, os; print(json.dumps([dict(os.environ), os.getcwd()]))"


def inherited(parent: dict[str, str], inheritance: Inheritance = OPERATOR_PROGRAM):
    """Return what a child inherits from *parent*, without what every child gets."""
    given = child_environment(parent, inheritance, HERE, Path("/base"))
    assert given.pop("PWD") == str(HERE)
    return given


class TestOperatorPrograms:
    @pytest.mark.parametrize("name", sorted(CREDENTIALS))
    def test_no_credential_is_inherited(self, name):
        """No AWS setting is inherited, not even a future one, and no password of a proxy."""
        given = inherited({name: CREDENTIALS[name], "WEBHOOK": "kept"})

        assert "canary" not in json.dumps(given)
        assert given["WEBHOOK"] == "kept"

    @pytest.mark.parametrize(
        ("proxy", "left"),
        [
            ("http://ann:pw@proxy:3128/", "http://proxy:3128/"),
            ("socks5h://ann:p%40w@[2001:db8::1]:1080", "socks5h://[2001:db8::1]:1080"),
            ("ann:p/w@x@proxy:3128", "proxy:3128"),
            ("http://proxy:3128", "http://proxy:3128"),
            ("localhost,.example.net", "localhost,.example.net"),
        ],
    )
    def test_a_proxy_keeps_its_address_alone(self, proxy, left):
        """A hook can still use a proxy that needs no password."""
        assert inherited({"https_proxy": proxy}) == {"https_proxy": left}

    @pytest.mark.parametrize(
        "name",
        [
            "PYTHONPATH",
            "PYTHONSTARTUP",
            "PYTHONHOME",
            "PYTHONWARNINGS",
            "PYTHONPYCACHEPREFIX",
            "LD_PRELOAD",
            "LD_LIBRARY_PATH",
            "LD_AUDIT",
            "DYLD_INSERT_LIBRARIES",
            "BASH_ENV",
            "ENV",
            "BASH_FUNC_ls%%",
            "PERL5OPT",
            "RUBYOPT",
            "NODE_OPTIONS",
            "OLDPWD",
        ],
    )
    def test_no_variable_brings_code_along(self, name):
        """Only code that the plan's fingerprint covers is run, no start-up file of a shell."""
        assert inherited({name: "/x", "LANG": "C.UTF-8"}) == {"LANG": "C.UTF-8"}

    def test_programs_are_looked_for_in_fixed_places_alone(self):
        """An empty or relative entry of PATH would refer to the working directory."""
        assert inherited({"PATH": "/usr/bin::.:bin:/bin"}) == {"PATH": "/usr/bin:/bin"}
        assert inherited({"PATH": ":."}) == {}

    def test_a_relative_path_leads_to_the_same_file_from_elsewhere(self):
        """A path relative to the operator's directory becomes absolute."""
        given = inherited({"SSL_CERT_FILE": "ca.pem", "VPNMIGRATE_HOME": "/runs"})

        assert given == {"SSL_CERT_FILE": "/base/ca.pem", "VPNMIGRATE_HOME": "/runs"}


class TestTheWatchdog:
    def test_reaches_aws_as_this_process_does(self):
        """The watchdog has the same credentials, from the same files, over the same proxy."""
        parent = {
            "AWS_ACCESS_KEY_ID": "id",
            "AWS_WEB_IDENTITY_TOKEN_FILE": "token",
            "AWS_CONFIG_FILE": "~/.aws/other",
            "AWS_SHARED_CREDENTIALS_FILE": "",
            "HTTPS_PROXY": "http://ann:pw@proxy:3128",
        }

        given = inherited(parent, WATCHDOG)

        assert given == {**parent, "AWS_WEB_IDENTITY_TOKEN_FILE": "/base/token"}

    def test_gets_no_aws_setting_that_it_does_not_use(self):
        """Credentials of other services are not inherited."""
        parent = {"AWS_BEARER_TOKEN_BEDROCK": "b", "AWS_SOME_SECRET_OF_NEXT_YEAR": "s"}

        assert inherited(parent, WATCHDOG) == {}

    def test_finds_its_modules_where_this_process_does_and_in_no_relative_place(self):
        """An installation by PYTHONPATH works; no code is loaded from the current directory."""
        parent = {
            "PYTHONPATH": "/usr/lib/x::.:lib",
            "LD_PRELOAD": "libfaketime.so ./evil.so:/usr/x.so",
            "PYTHONSTARTUP": "/usr/start.py",
            "LD_LIBRARY_PATH": "lib",
        }

        given = inherited(parent, WATCHDOG)

        assert given == {"PYTHONPATH": "/usr/lib/x", "LD_PRELOAD": "libfaketime.so:/usr/x.so"}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return a_run(tmp_path / "runs")


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to a directory of another user, with credentials in the environment."""
    place = tmp_path / "elsewhere"
    place.mkdir()
    monkeypatch.chdir(place)
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    return place


class TestRealChildren:
    def test_a_hook(self, run, elsewhere):
        """A hook works in the run's directory and inherits no credential."""
        bounds = ProcessLimits(timedelta(seconds=60))
        ended = run_bounded([sys.executable, "-c", PRINTS], b"", bounds, run, PYTHON)

        environment, place = json.loads(ended.output)
        assert Path(place) == working_directory(run)
        assert "canary" not in json.dumps(environment)

    def test_the_test_command(self, run, elsewhere):
        """The test of step 6 inherits no credential."""
        operator = TerminalOperator(
            Console(io.StringIO()), NoPrompt(), run, RunCommands("m-1"), PYTHON
        )

        word = operator.ask(RunTest((sys.executable, "-c", _notes("test", run))))

        assert word is Confirmation.TEST_PASSED
        assert "canary" not in (run.work / "test").read_text()

    def test_a_probe(self, run, elsewhere):
        """A probe inherits no credential."""
        note = run.work / "probe"
        prober = Prober(SteadyClock(), run, {})
        prober.begin([ProbeStats(f"{sys.executable} -c {_quoted(_notes('probe', run))}")])
        _until(lambda: prober.stats()[0].works)
        prober.end()

        assert "canary" not in note.read_text()

    @pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
    def test_the_watchdog_loads_nothing_from_the_directory_of_the_call(
        self, run, elsewhere, tmp_path, monkeypatch
    ):
        """Files next to the plan that are named like modules of the program are not loaded."""
        for name in ("msgspec", "bz2", "select", "vpnmigrate", "sitecustomize"):
            (elsewhere / f"{name}.py").write_text("open(__file__ + '.ran', 'w')")
        program = tmp_path / "lib" / "keeps_watch.py"
        program.parent.mkdir()
        program.write_text(KEEPS_WATCH)
        root = Path(__file__).parents[2]
        monkeypatch.setenv("PYTHONPATH", f"{program.parent}:{root}:.:")

        watchdog = WatchdogProcess(run, AwsOptions().words(), SteadyClock(), "keeps_watch")
        process = watchdog.start(int)

        document = json.loads((run.path / "watchdog.log").read_text())
        os.kill(process, 9)
        os.waitpid(process, 0)
        assert list(elsewhere.glob("*.ran")) == []
        assert Path(document["place"]) == working_directory(run)
        assert str(elsewhere) not in document["path"]
        assert document["secret"] == "canary-secret"
        assert document["bearer"] is None

    def test_a_directory_that_cannot_be_made_is_told(self, run, elsewhere):
        """Without its working directory the watchdog is not started, so nothing is interrupted."""
        run.work.rmdir()
        run.work.write_text("in the way")

        with pytest.raises(RefusedError, match="cannot be started: File exists"):
            WatchdogProcess(run, AwsOptions().words(), SteadyClock(), "keeps_watch").start(int)


KEEPS_WATCH = """
import json, os, sys, time
from pathlib import Path
from vpnmigrate.local.lock import hold_watchdog_lock
from vpnmigrate.local.run_directory import Run
home = sys.argv[sys.argv.index("--run-dir") + 1]
run = Run(Path(home) / sys.argv[2])
env = os.environ.get
print(json.dumps({"place": os.getcwd(), "path": sys.path, "secret": env("AWS_SECRET_ACCESS_KEY"),
                  "bearer": env("AWS_BEARER_TOKEN_BEDROCK")}), flush=True)
with hold_watchdog_lock(run, os.getpid()):
    time.sleep(600)
"""


def _notes(name: str, run: Run) -> str:
    """Return Python code that writes its environment to a relative file in the run's directory."""
    assert run.work.is_dir()
    return f"import os; open({name!r}, 'w').write(repr(dict(os.environ)))"


def _quoted(text: str) -> str:
    return '"' + text + '"'


def _until(holds) -> None:
    give_up = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.05)
