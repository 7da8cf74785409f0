"""A served sandbox: output to paste, and no tracebacks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from vpnmigrate.report.results import ServerResult, sandbox_text

PATIENCE = 120
"""Seconds for the end of a process, on a busy machine."""


@contextmanager
def served(**environment):
    """Serve ``single-bgp`` in another process inside the context."""
    with subprocess.Popen(
        [sys.executable, "-m", "vpnmigrate", "sandbox", "serve", "--scenario", "single-bgp"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
        cwd=Path(__file__).parents[2],
    ) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE)


def exported(process):
    """Return the output, up to its last line."""
    lines: list[str] = []
    while not lines or not lines[-1].startswith("export AWS_DEFAULT_REGION="):
        line = process.stdout.readline()
        assert line, process.stderr.read()
        lines.append(line.strip())
    return lines


def client_of(lines):
    url = next(line for line in lines if "AWS_ENDPOINT_URL=" in line).partition("=")[2]
    return boto3.client(
        "ec2", endpoint_url=url, region_name="eu-west-1", config=Config(retries={"max_attempts": 0})
    )


class TestWhatToPaste:
    def test_a_profile_of_the_operator_has_no_say(self):
        """A missing profile does not prevent serving, and the output says to unset it."""
        with served(AWS_PROFILE="no-such-profile") as process:
            lines = exported(process)

        assert [line for line in lines if line.startswith("unset")] == ["unset AWS_PROFILE"]

    def test_what_would_lead_elsewhere_is_unset_first(self):
        """Endpoints of a single service take precedence over the general one."""
        found = ServerResult("s", "http://127.0.0.1:1", {"A": "b"}, ("AWS_ENDPOINT_URL_EC2",))

        assert sandbox_text(found).splitlines()[1:] == [
            "unset AWS_ENDPOINT_URL_EC2",
            "export A=b",
        ]

    def test_a_clean_shell_is_asked_to_unset_nothing(self):
        """Variables that are not set are not mentioned."""
        assert "unset" not in sandbox_text(ServerResult("s", "http://127.0.0.1:1", {"A": "b"}))

    def test_fits_the_terminal_and_a_shell(self):
        """Each line is a comment or a command, also with a long file name."""
        lines = sandbox_text(
            ServerResult("scenarios/" * 9, "http://127.0.0.1:1", {"A": "b"})
        ).splitlines()

        assert all(line.startswith(("# ", "export ")) for line in lines)


def test_what_moto_cannot_do_is_told_to_the_client_alone(tmp_path):
    """The client gets an error in EC2's format, a file gets the traceback, the terminal nothing."""
    with served(VPNMIGRATE_HOME=str(tmp_path / "home")) as process:
        client = client_of(exported(process))
        with pytest.raises(ClientError, match="InternalError"):
            client.describe_instances(NextToken="nonsense")
        client.close()
        process.send_signal(signal.SIGINT)

        assert process.communicate(timeout=PATIENCE) == ("", "")
    crash = (tmp_path / "home" / "crash.log").read_text()
    assert "sandbox/server/moto.py" in crash
    assert "ValueError" in crash
