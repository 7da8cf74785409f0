"""Vendors' own parsers read what is rendered."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hier_config import Platform as Ios
from hier_config import WorkflowRemediation, get_hconfig

from tests.devices.device_tasks import a_task, existing_of, options_of
from tests.support.lab import programs, root_and_tun
from vpnmigrate.devices.blocks import DeviceBlocks, device_blocks, revealed
from vpnmigrate.devices.device_task import DeviceTask
from vpnmigrate.devices.platforms import platform_named

BIRD = "router id 192.0.2.1;\nprotocol device {}\nprotocol kernel { ipv4 { export all; }; }\n"


def rendered(name: str, routing: str = "bgp", task: DeviceTask | None = None) -> DeviceBlocks:
    return device_blocks(task or a_task(routing), platform_named(name), keys=revealed)


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


CHARON = """charon-systemd {{
  load_modular = no
  load = random nonce aes sha1 sha2 hmac kdf gmp openssl kernel-netlink socket-default vici
  journal {{
    default = -1
  }}
  plugins {{
    vici {{
      socket = unix://{socket}
    }}
  }}
}}
"""


class TestCharon:
    """``swanctl --load-all`` against a running charon."""

    @pytest.fixture
    def load(self, tmp_path: Path):
        """Load a configuration into a daemon in a network of its own."""
        root_and_tun()
        charon, swanctl, unshare = programs("charon-systemd", "swanctl", "unshare")
        socket, settings = tmp_path / "vici", tmp_path / "strongswan.conf"
        settings.write_text(CHARON.format(socket=socket))
        words = [unshare, "--net", "--pid", "--fork", "--kill-child", charon]
        daemon = subprocess.Popen(
            words, env={**os.environ, "STRONGSWAN_CONF": str(settings)}, stderr=subprocess.DEVNULL
        )

        def load(text: str) -> tuple[int, str]:
            file = tmp_path / "swanctl.conf"
            file.write_text(text)
            uri = ("--uri", f"unix://{socket}")
            return ran(swanctl, "--load-all", "--clear", "--noprompt", "--file", str(file), *uri)

        try:
            for _ in range(400):
                if load("")[0] == 0:
                    break
            else:
                pytest.fail("charon does not answer")
            yield load
        finally:
            daemon.kill()
            daemon.wait()

    def test_it_is_loaded(self, load):
        """Charon loads keys and connections, with every algorithm of AWS."""
        ciphers = ("AES128", "AES256", "AES128-GCM-16", "AES256-GCM-16")
        groups = (2, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24)
        for number, group in enumerate(groups):
            cipher = [{"Value": ciphers[number % 4]}]
            options = options_of(
                Phase1EncryptionAlgorithms=cipher,
                Phase2EncryptionAlgorithms=cipher,
                Phase1DHGroupNumbers=[{"Value": group}],
                Phase2DHGroupNumbers=[{"Value": group}],
                ReplayWindowSize=1024,
            )
            blocks = rendered("strongswan-bird", task=a_task(options=options))
            files = [file.text for file in blocks.files if "/swanctl/" in file.path]
            code, output = load("".join(files))

            assert code == 0, output
            for tunnel in (1, 2):
                assert f"loaded connection 'aws-aaaaaaa1-{tunnel}'" in output
                assert f"loaded ike secret 'ike-aws-aaaaaaa1-{tunnel}'" in output

    def test_the_checker_refuses(self, load):
        """An unknown algorithm is found, so the test above can fail."""
        files = [f.text for f in rendered("strongswan-bird").files if "/swanctl/" in f.path]
        code, output = load("".join(files).replace("modp2048", "modp2047"))

        assert code != 0, output


class TestIos:
    """hier-config, which computes the difference of two IOS configurations."""

    NOT_CONFIGURATION = ("configure terminal", "end", "write memory", "exit-address-family")

    @pytest.fixture(params=["bgp", "static"])
    def blocks(self, request):
        routing = request.param
        running = existing_of(platform_named("cisco-ios"), "bgp")
        task = a_task(routing, existing=running)
        return running, rendered("cisco-ios", task=task).blocks

    def lines(self, commands: str) -> list[str]:
        return [
            line
            for line in commands.splitlines()
            if line.strip() and line.strip() not in self.NOT_CONFIGURATION
        ]

    def test_load_is_its_remediation_and_remove_its_rollback(self, blocks):
        """The device gets what block 1 says, and block 5 removes all of that and nothing else."""
        before, (load, _, _, _, remove) = blocks
        running = get_hconfig(Ios.CISCO_IOS, before)
        loaded = running.future(get_hconfig(Ios.CISCO_IOS, "\n".join(self.lines(load.commands))))
        flow = WorkflowRemediation(running, loaded)

        needed = [c.cisco_style_text() for c in flow.remediation_config.all_children_sorted()]
        assert [line.strip() for line in needed] == [
            line.strip() for line in self.lines(load.commands)
        ]
        removed = [line.strip() for line in self.lines(remove.commands) if line != "exit"]
        undone = [
            child.cisco_style_text().strip() for child in flow.rollback_config.all_children_sorted()
        ]
        own = [line for line in removed if line.startswith("no ")]
        family = "no address-family ipv4"
        assert [
            line
            for line in undone
            if line.startswith("no ")
            and line != family
            and not any(line.startswith(each) for each in own)
        ] == []
        assert [each for each in own if not any(line.startswith(each) for line in undone)] == []

    def test_back_out_is_the_opposite_of_enable(self, blocks):
        """Each setting of block 2 is negated in block 3, in the same section."""
        _, (_, enable, back_out, _, _) = blocks

        opposite = {
            (head, line.removeprefix("no ") if line.startswith("no ") else f"no {line}")
            for head, line in self.settings(enable.commands)
        }
        assert opposite == self.settings(back_out.commands)
        assert len(opposite) >= 4

    def settings(self, commands: str) -> set[tuple[str, str]]:
        """Return each line with the section that it is in."""
        head, found = "", set()
        for line in self.lines(commands):
            if line.startswith(" "):
                found.add((head, line.strip()))
            else:
                head = line
        return found


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
