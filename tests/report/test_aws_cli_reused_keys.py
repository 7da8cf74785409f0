"""Reused keys in the AWS CLI blocks: without a file, an argument or a remaining variable."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.builders import NEW, OLD_VPN, a_plan, a_survey
from vpnmigrate.model.changes import CreateVpnConnection
from vpnmigrate.model.changes.base import CallTags
from vpnmigrate.model.decisions import Decisions, KeyMode
from vpnmigrate.model.ec2 import CustomerGatewayId, MigrationId
from vpnmigrate.model.plan import connection_role
from vpnmigrate.report.runbook.aws_cli.changes import create_connection
from vpnmigrate.report.runbook.aws_cli.commands import ShellNames
from vpnmigrate.report.runbook.aws_cli.shell_functions import KEYS as KEYS_FUNCTION

KEYS = ("first.key_1", "second.key_2")
STUBS = r"""
set -euo pipefail
umask 077
NEW_VPN_1= NEW_VGW=vgw-new
keys_of() { printf '%s\n' $FOUND; }
until_is() { echo "WAITED"; }
aws() {
  echo "$*" >>argv
  [ "$FAILS" = no ] || { echo "An error occurred (RequestLimitExceeded)" >&2; return 254; }
  cat "${OPTIONS_FROM}" >options
  echo vpn-new
}
"""


def paste(shell: str, place: Path, found: str, *, fails: bool) -> subprocess.CompletedProcess[str]:
    """Run the block that creates a connection with reused keys, with a stub for the CLI."""
    plan = a_plan(before=a_survey(), decisions=Decisions(keys=KeyMode.REUSE))
    change = CreateVpnConnection(
        connection_role(OLD_VPN),
        NEW,
        CustomerGatewayId("cgw-1"),
        OLD_VPN,
        static_only=True,
        keys=KeyMode.REUSE,
    )
    lines = create_connection(change, ShellNames(plan), CallTags(MigrationId("mig-1"), 1, 3))
    temporary = place / "temporary"
    temporary.mkdir()
    return subprocess.run(
        [shell],
        input="\n".join([STUBS, *lines, 'echo "made $NEW_VPN_1 ${KEY_1-} ${KEY_2-}"']),
        env={
            "PATH": "/usr/bin:/bin",
            "TMPDIR": str(temporary),
            "TMPPREFIX": str(temporary / "zsh"),
            "FOUND": found,
            "FAILS": "yes" if fails else "no",
            "OPTIONS_FROM": "/dev/stdin",
        },
        cwd=place,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(params=["bash", "zsh"])
def shell(request: pytest.FixtureRequest) -> str:
    """Return the path of a shell that an operator may use."""
    found = shutil.which(request.param)
    if found is None:
        pytest.skip(f"this machine has no {request.param}")
    return str(found)


def test_the_cli_reads_the_keys_from_standard_input(shell, tmp_path):
    """The keys are in the options, in the order of the tunnels, and not on a command line."""
    done = paste(shell, tmp_path, "\n".join(KEYS), fails=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "WAITED\nmade vpn-new  \n"
    options = json.loads((tmp_path / "options").read_text())
    assert [tunnel["PreSharedKey"] for tunnel in options["TunnelOptions"]] == list(KEYS)
    argv = (tmp_path / "argv").read_text()
    assert "--options file:///dev/stdin" in argv
    assert not any(key in argv for key in KEYS)
    assert list((tmp_path / "temporary").iterdir()) == []


def test_nothing_stays_when_the_creation_fails(shell, tmp_path):
    """A throttled call leaves no file with keys in the temporary directory."""
    done = paste(shell, tmp_path, "\n".join(KEYS), fails=True)

    assert done.returncode != 0
    assert "RequestLimitExceeded" in done.stderr
    assert done.stdout == ""
    assert list((tmp_path / "temporary").iterdir()) == []
    everything = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    assert not any(key.encode() in everything for key in KEYS)


DOCUMENT = """<vpn_connection>
<ipsec_tunnel><vpn_gateway><tunnel_outside_address>
 <ip_address>198.18.9.1</ip_address></tunnel_outside_address></vpn_gateway>
 <ike><pre_shared_key>{}</pre_shared_key></ike></ipsec_tunnel>
<ipsec_tunnel><vpn_gateway><tunnel_outside_address>
 <ip_address>198.18.155.2</ip_address></tunnel_outside_address></vpn_gateway>
 <ike><pre_shared_key>{}</pre_shared_key></ike></ipsec_tunnel>
</vpn_connection>
"""


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        # In the order of the program's request: of the outside addresses as text.
        (("first.key_1", "second.key_2"), ["second.key_2", "first.key_1"]),
        (("REDACTED", "redacted"), []),
        (("REDACTED", "second.key_2"), ["second.key_2"]),
        (("0starts.with.zero", "short"), []),
        (("with blanks in it", "a-hyphen-in-it"), []),
        (("", ""), []),
    ],
)
def test_only_keys_that_ec2_accepts_are_found(shell, tmp_path, keys, found):
    """A word in place of a key has eight letters, and EC2 would take it for one."""
    (tmp_path / "document").write_text(DOCUMENT.format(*keys))
    script = f"set -euo pipefail\naws() {{ cat document; }}\n{KEYS_FUNCTION}\nkeys_of vpn-old"

    done = subprocess.run(
        [shell],
        input=script,
        env={"PATH": "/usr/bin:/bin"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout.split(), done.stderr) == (0, found, "")


@pytest.mark.parametrize("found", ["", "only-one"])
def test_without_both_keys_nothing_is_created(shell, tmp_path, found):
    """An empty key would be refused, or replaced by AWS."""
    done = paste(shell, tmp_path, found, fails=False)

    assert done.returncode != 0
    assert "plan with new keys" in done.stderr
    assert not (tmp_path / "argv").exists()
