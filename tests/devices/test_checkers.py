"""Vendors' own parsers read what is rendered."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.devices.device_tasks import a_task
from tests.support.lab import programs
from vpnmigrate.devices.blocks import DeviceBlocks, device_blocks, revealed
from vpnmigrate.devices.platforms import platform_named

BIRD = "router id 192.0.2.1;\nprotocol device {}\nprotocol kernel { ipv4 { export all; }; }\n"


def rendered(name: str, routing: str = "bgp") -> DeviceBlocks:
    return device_blocks(a_task(routing), platform_named(name), keys=revealed)


def ran(*words: str) -> tuple[int, str]:
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=30)
    return done.returncode, done.stdout + done.stderr


def shell_input(commands: str, program: str) -> str:
    """Return what *commands* give to *program* as here documents."""
    parts = f"{commands}\n".split(f"{program} <<'END'\n")[1:]
    return "".join(part.partition("END\n")[0] for part in parts)


class TestBird:
    """``bird -p``."""

    @pytest.fixture
    def check(self, tmp_path: Path):
        (bird,) = programs("bird")

        def check(text: str) -> tuple[int, str]:
            file = tmp_path / "bird.conf"
            file.write_text(BIRD + text)
            return ran(bird, "-p", "-c", str(file))

        return check

    def test_it_is_valid(self, check):
        """BIRD reads the protocols, disabled and enabled."""
        (text,) = (f.text for f in rendered("strongswan-bird").files if "/bird/" in f.path)

        assert check(text) == (0, "")
        assert check(text.replace("  disabled;", "  disabled no;")) == (0, "")

    def test_the_checker_refuses(self, check):
        """A misspelt word is found, so the test above can fail."""
        (text,) = (f.text for f in rendered("strongswan-bird").files if "/bird/" in f.path)

        assert check(text.replace("neighbor", "neighbour"))[0] != 0


class TestFrr:
    """``vtysh -C``."""

    @pytest.fixture
    def check(self, tmp_path: Path):
        (vtysh,) = programs("vtysh")

        def check(text: str) -> tuple[int, str]:
            file = tmp_path / "frr.conf"
            file.write_text(
                "".join(
                    f"{line}\n"
                    for line in text.splitlines()
                    if line not in {"configure terminal", "end", "write memory"}
                )
            )
            return ran(vtysh, "-C", "-f", str(file))

        return check

    @pytest.mark.parametrize("number", range(5))
    def test_it_is_valid(self, check, number):
        """FRR reads the commands of each block."""
        block = rendered("strongswan-frr").blocks[number]

        given = shell_input(block.commands, "vtysh")
        assert given
        assert check(given)[0] == 0

    def test_the_checker_refuses(self, check):
        """A misspelt word is found, so the test above can fail."""
        given = shell_input(rendered("strongswan-frr").blocks[0].commands, "vtysh")

        assert check(given.replace("remote-as", "remote-asn"))[0] != 0


def test_the_shell_reads_every_block():
    """Bash parses the commands of a Linux device, with and without the file of the keys."""
    (bash,) = programs("bash")
    for routing in ("bgp", "static"):
        for name in ("strongswan-bird", "strongswan-frr"):
            for block in rendered(name, routing).blocks:
                commands = block.commands.replace("<", "{").replace(">", "}")
                done = subprocess.run(
                    [bash, "-n"],
                    input=commands.replace("{{'END'", "<<'END'"),
                    text=True,
                    capture_output=True,
                    check=False,
                )
                assert (done.returncode, done.stderr) == (0, "")
