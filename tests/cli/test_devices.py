"""Devices one by one: ``done --connection``, ``device files`` and ``device sheet``."""

from __future__ import annotations

import hashlib
import io
import re
import shlex
import shutil
import subprocess
import tarfile
from pathlib import Path

import pyrage
import pytest
from pyrage import ssh, x25519

from vpnmigrate.devices.platforms import PLATFORMS
from vpnmigrate.model.redaction import HIDDEN

TWO_SITES = """
title: Two sites
vpcs:
  - {id: vpc-0a400000000000001, cidrs: [10.40.0.0/16]}
gateways:
  - {id: vgw-0a400000000000001, asn: 7224, vpc: vpc-0a400000000000001}
customer_gateways:
  - {id: cgw-0a400000000000001, ip: 203.0.113.41, name: munich}
  - {id: cgw-0a400000000000002, ip: 203.0.113.42, name: graz}
connections:
  - id: vpn-0a400000000000001
    customer_gateway: cgw-0a400000000000001
    gateway: vgw-0a400000000000001
    static: true
    prefixes: [192.168.41.0/24]
  - id: vpn-0a400000000000002
    customer_gateway: cgw-0a400000000000002
    gateway: vgw-0a400000000000001
    static: true
    prefixes: [192.168.42.0/24]
route_tables:
  - id: rtb-0a400000000000001
    vpc: vpc-0a400000000000001
    main: true
    propagates: [vgw-0a400000000000001]
"""
MUNICH, GRAZ = "vpn-0a400000000000001", "vpn-0a400000000000002"


@pytest.fixture
def waiting(terminal) -> str:
    """Return the id of a run that waits for its devices in step 5."""
    Path("two.yaml").write_text(TWO_SITES, encoding="utf-8")
    terminal.scenario("two.yaml")
    terminal.without_engineer()
    run: str = terminal.planned()
    assert terminal.run("apply", "plan.json", "--until", "cutover").code == 3
    return run


def states(terminal, run):
    return {device["site"]: device["done"] for device in terminal.status(run)["devices"]}


def test_a_task_is_done_when_it_is_done_at_every_device(terminal, waiting):
    """By site and by id, in any order; the run resumes after the last, and names the open ones."""
    assert states(terminal, waiting) == {"munich": False, "graz": False}

    first = terminal.run("done", waiting, "5", "--connection", "Munich")

    assert first.code == 0
    assert "Still open" in first.out
    assert "graz" in first.out
    assert states(terminal, waiting) == {"munich": True, "graz": False}
    again = terminal.run("apply", waiting, "--until", "cutover")
    assert again.code == 3
    shown = terminal.run("status", waiting).out
    assert "munich done, graz OPEN" in shown
    assert terminal.status(waiting)["step"] == 5

    terminal.run("done", waiting, "5", "--connection", GRAZ)
    terminal.run("apply", waiting, "--until", "cutover")

    assert terminal.status(waiting)["step"] == 6
    report = terminal.run("report", waiting, "--json").document
    said = [person["said"] for person in report["people"]]
    assert said == [
        f"confirmed for munich ({MUNICH}): the devices are configured",
        f"confirmed for graz ({GRAZ}): the devices are configured",
    ]


def test_one_confirmation_may_name_several_devices_or_none(terminal, waiting):
    """The option is repeatable, and without it the task is done at every device."""
    ran = terminal.run(
        "done", waiting, "5", "--connection", "munich", "--connection", "graz", "--json"
    )

    assert ran.document["connections"] == [MUNICH, GRAZ]
    assert ran.document["open"] == []


@pytest.mark.parametrize("site", ["vienna", "", "vpn-0a400000000000009"])
def test_another_site_is_refused_with_those_there_are(terminal, waiting, site):
    """A site that is not the run's own confirms nothing."""
    ran = terminal.run("done", waiting, "5", "--connection", site)

    assert ran.code == 2
    assert f"{MUNICH} (munich), {GRAZ} (graz)" in " ".join(ran.err.split())
    assert states(terminal, waiting) == {"munich": False, "graz": False}


def test_the_folders_of_the_devices_are_listed(terminal, waiting):
    """Each device has its own folder, with the sheet in it."""
    listed = terminal.run("device", "files", waiting, "--json").document["devices"]

    assert [device["site"] for device in listed] == ["munich", "graz"]
    for device in listed:
        assert (Path(device["folder"]) / "sheet.md").is_file()
        assert device["successor"] in device["folder"]
    assert listed[0]["folder"] in terminal.run("device", "files", waiting).out.replace("\n", "")


def test_a_sheet_is_printed_without_its_keys(terminal, waiting):
    """The sheet of one site has all values but the keys, which stay in the private file."""
    by_name = terminal.run("device", "sheet", waiting, "graz")
    by_id = terminal.run("device", "sheet", waiting, GRAZ)

    assert by_name.code == 0
    assert by_name.out == by_id.out
    assert "AWS outside address" in by_name.out
    assert "[key withheld]" in by_name.out
    sheet = Path(terminal.run("device", "sheet", waiting, "graz", "--json").document["file"])
    keys = [line for line in sheet.read_text().splitlines() if line.startswith("| pre-shared key")]
    assert keys
    assert not [key for line in keys for key in line.split("`")[1::2] if key in by_name.out]


def test_without_files_the_step_that_writes_them_is_named(terminal, waiting):
    """Files that are not there, because step 4 was not done or they were deleted."""
    shutil.rmtree(Path(terminal.status(waiting)["folder"]) / "vault")

    for words in (("files", waiting), ("sheet", waiting, "graz")):
        refused = terminal.run("device", *words)
        assert refused.code == 2
        assert "step 4 writes them" in refused.err


class TestConfig:
    """``device config``."""

    def config(self, terminal, *words):
        ran = terminal.run("device", "config", *words, "--json")
        assert ran.code == 0, ran.err
        return ran.document["devices"]

    def test_each_device_has_its_blocks(self, terminal, waiting):
        """Each site gets the blocks of its own connection, without keys."""
        devices = self.config(terminal, waiting, "--platform", "strongswan-bird")
        text = terminal.run("device", "config", waiting, "--platform", "strongswan-bird").out

        assert [device["site"] for device in devices] == ["munich", "graz"]
        names = [block["name"] for block in devices[0]["blocks"]]
        assert names == ["load", "enable", "back-out", "remove-old", "remove-new"]
        munich, graz = (device["blocks"][0]["commands"] for device in devices)
        assert "203.0.113.41" in munich
        assert "203.0.113.42" in graz
        assert devices[0]["successor"][-8:] in munich
        assert "CANARY" not in text
        assert f"vpnmigrate done {waiting} 5 --connection {MUNICH}" in text

    def test_nothing_in_a_page_looks_like_a_key(self, terminal, waiting):
        """The redaction of output, which looks for keys by their names, leaves every page whole."""
        for platform in PLATFORMS:
            words = (waiting, "--site", "munich", "--platform", platform.name)

            assert HIDDEN not in str(self.config(terminal, *words))
            assert HIDDEN not in terminal.run("device", "config", *words).out

    def test_one_site(self, terminal, waiting):
        """A site is named as in the other commands; without a template it is the generic sheet."""
        (device,) = self.config(terminal, waiting, "--site", "Graz")

        assert (device["connection"], device["platform"]) == (GRAZ, "generic")

    def test_keys_go_into_a_private_file(self, terminal, waiting, tmp_path):
        """The file of --with-keys has the keys of this site, and only its owner can read it."""
        file = tmp_path / "munich.md"
        words = ("device", "config", waiting, "--site", "munich", "--with-keys", str(file))
        ran = terminal.run(*words)

        assert ran.code == 0
        assert "CANARY" not in ran.out + ran.err
        assert file.stat().st_mode & 0o777 == 0o600
        folder = Path(
            terminal.run("device", "files", waiting, "--json").document["devices"][0]["folder"]
        )
        xml = (folder / "configuration.xml").read_text()
        keys = re.findall(r"<pre_shared_key>(\w+)<", xml)
        assert len(keys) == 2
        assert all(key in file.read_text() for key in keys)

    def test_keys_are_not_printed(self, terminal, waiting):
        """A stream or a device is no private file."""
        Path("link").symlink_to("/dev/stdout")
        for name in ("/dev/stdout", "/dev/fd/1", "/dev/null", "link", "."):
            ran = terminal.run("device", "config", waiting, "--site", "graz", "--with-keys", name)

            assert ran.code == 2
            assert "CANARY" not in ran.out + ran.err

    def test_the_running_configuration(self, terminal, waiting):
        """Its names are avoided; its keys are not printed."""
        Path("running.txt").write_text("if_id_in = 4211\nsecret = SomeKey_of_the_device\n")
        (device,) = self.config(
            terminal,
            *(waiting, "--site", "graz", "--existing", "running.txt"),
            *("--platform", "strongswan-frr"),
        )

        assert "if_id 4212" in device["blocks"][0]["commands"]
        assert "SomeKey" not in str(device)

    @pytest.mark.parametrize("option", ["--existing", "--with-keys"])
    def test_what_is_about_one_device_needs_its_site(self, terminal, waiting, option):
        """Several devices share no running configuration and no file."""
        ran = terminal.run("device", "config", waiting, option, "file.txt")

        assert ran.code == 2
        assert "--site" in ran.err

    def test_a_plan_gives_a_draft(self, terminal):
        """Before step 4 the new values are placeholders, and the page says so.

        Its commands name the run that apply will create, as a plan file is not known to status.
        """
        run = terminal.planned()
        (device,) = self.config(terminal, "plan.json")

        assert f"`vpnmigrate status {run}`" in device["blocks"][0]["begin"]
        assert any("draft" in note for note in device["notes"])
        assert "<outside of new tunnel 1>" in device["placeholders"]

    @pytest.mark.parametrize("option", ["--with-keys", "--seal-to"])
    def test_a_draft_is_written_to_no_file_with_keys(self, terminal, option, tmp_path):
        """Before step 4 there are no keys: an engineer would receive placeholders."""
        terminal.planned()
        file = tmp_path / "file"
        words = ("plan.json", "--site", terminal.connections[0], option, str(file))

        ran = terminal.run("device", "config", *words)

        assert ran.code == 2
        assert "step 4" in ran.err
        assert "vpnmigrate apply plan.json --until cutover" in ran.err
        assert not file.exists()

    def test_own_templates(self, terminal, waiting, tmp_path):
        """--templates names a folder whose templates take precedence; a bad one is refused."""
        own = tmp_path / "own" / "acme"
        own.mkdir(parents=True)
        macros = ("load", "enable", "disable", "remove", "up", "down", "absent")
        text = "".join(f"{{% macro {name}(s) %}}{name} me{{% endmacro %}}" for name in macros)
        (own / "commands.j2").write_text(text)
        words = (waiting, "--platform", "acme", "--templates", str(own.parent))

        assert self.config(terminal, *words)[0]["blocks"][0]["commands"] == "load me"
        (own / "commands.j2").write_text("{% macro")
        assert terminal.run("device", "config", *words).code == 2
        assert terminal.run("device", "config", waiting, "--platform", "acme").code == 2


class TestSealed:
    """``device config --seal-to``."""

    @pytest.fixture
    def words(self, waiting):
        return ("device", "config", waiting, "--site", "munich", "--platform", "strongswan-bird")

    def opened(self, file, identity):
        packed = io.BytesIO(pyrage.decrypt(Path(file).read_bytes(), [identity]))
        with tarfile.open(fileobj=packed) as archive:
            assert {entry.mode for entry in archive} == {0o600}
            files = {entry.name: archive.extractfile(entry) for entry in archive}
            assert len({name.partition("/")[0] for name in files}) == 1
            return {
                name.partition("/")[2]: file.read().decode() for name, file in files.items() if file
            }

    def test_the_engineer_alone_can_read_it(self, terminal, words):
        """The archive has commands, files and keys for its recipients, nothing in clear text."""
        identity, other = x25519.Identity.generate(), x25519.Identity.generate()
        Path("to.txt").write_text(f"# the engineer\n{identity.to_public()}\n")
        ran = terminal.run(*words, "--seal-to", "to.txt", "-o", "munich.age")

        assert ran.code == 0
        content = Path("munich.age").read_bytes()
        assert content.startswith(b"age-encryption.org/v1\n")
        assert b"CANARY" not in content
        assert "CANARY" not in ran.out + ran.err
        found = self.opened("munich.age", identity)
        names = {"commands.txt", "configuration.xml", "options.json", "sheet.md"}
        assert names <= found.keys()
        (key_file, _) = (name for name in found if name.endswith(".keys.conf"))
        assert "CANARY" in found[key_file]
        assert "CANARY" in found["commands.txt"]
        assert "This page has the pre-shared keys" in found["commands.txt"]
        assert f"{Path.cwd()}" not in found["commands.txt"]
        with pytest.raises(pyrage.DecryptError):
            self.opened("munich.age", other)

    def test_an_ssh_key(self, terminal, words):
        """An SSH key is a recipient, and age itself opens the archive where it is installed."""
        made = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "engineer"]
        subprocess.run(made, check=True)
        terminal.run(*words, "--seal-to", "engineer.pub", "-o", "munich.age")

        identity = ssh.Identity.from_buffer(Path("engineer").read_bytes())
        assert "commands.txt" in self.opened("munich.age", identity)
        if age := shutil.which("age"):
            opened = subprocess.run(
                [age, "-d", "-i", "engineer", "munich.age"], capture_output=True, check=True
            )
            assert b"commands.txt" in opened.stdout

    @pytest.mark.parametrize(
        "text",
        ["", "# nothing\n", "nonsense\n", str(x25519.Identity.generate()), "age1qqq", "\xe4"],
        ids=["empty", "comment", "nonsense", "private key", "broken", "no ascii"],
    )
    def test_what_is_no_public_key_is_refused(self, terminal, words, text):
        """Nothing is written, and a private key is not quoted."""
        Path("to.txt").write_text(text, encoding="utf-8")
        ran = terminal.run(*words, "--seal-to", "to.txt", "-o", "munich.age")

        assert ran.code == 2
        assert "SECRET-KEY" not in ran.out + ran.err
        assert not Path("munich.age").exists()

    def test_one_way_at_a_time(self, terminal, words):
        """A private file and an archive exclude each other, and -o names the archive."""
        for more in (("--with-keys", "a", "--seal-to", "b"), ("-o", "c")):
            assert terminal.run(*words, *more).code == 2


class TestSample:
    """``device sample`` and ``device types``."""

    @pytest.fixture
    def sampled(self, terminal):
        """A run whose playbook names a device type; the sandbox has a sample of its form."""
        Path("two.yaml").write_text(TWO_SITES, encoding="utf-8")
        kind = "Cisco Systems, Inc./ISR Series Routers/IOS 12.4+"
        Path("ios.yaml").write_text(
            f"name: ios\nsummary: Routers.\ndecisions:\n  device_types: {{default: '{kind}'}}\n",
            encoding="utf-8",
        )
        terminal.scenario("two.yaml")
        terminal.without_engineer()
        run = terminal.planned("--playbook", "ios.yaml")
        terminal.run("apply", "plan.json", "--until", "cutover")
        return run

    def test_hazards(self, terminal, sampled):
        """Names, opening lines and weak algorithms are listed with the file and its hash."""
        ran = terminal.run("device", "sample", sampled, "munich")
        found = terminal.run("device", "sample", sampled, "munich", "--json").document

        assert ran.code == 0
        assert {"interface Tunnel1", "interface Tunnel2"} <= set(found["names"])
        assert found["openers"] == ["no shutdown"]
        content = Path(found["file"]).read_bytes()
        assert found["sha256"] == hashlib.sha256(content).hexdigest()
        assert "interface Tunnel1" in ran.out
        assert b"CANARY" in content
        assert "CANARY" not in ran.out

    def test_says_what_it_is_and_what_follows(self, terminal, sampled):
        """Site, device type and file are named, and the next command works as it is printed."""
        ran = terminal.run("device", "sample", sampled, "munich")
        found = terminal.run("device", "sample", sampled, "munich", "--json").document
        shown = " ".join(ran.out.split())

        assert (found["site"], found["connection"]) == ("munich", MUNICH)
        assert f"munich, {MUNICH}, new connection {found['successor']}" in shown
        assert f"device type {found['device_type']} file {found['file']}" in shown
        assert found["device_type"].startswith("Cisco Systems, Inc./ISR")
        (command,) = re.findall(r"^ +vpnmigrate (.*)$", ran.out, re.MULTILINE)
        assert terminal.run(*shlex.split(command)).code == 0
        assert f"--site {MUNICH}" in command

    def test_an_unknown_form_is_not_clean(self, terminal, sampled):
        """A sample of a vendor that the program does not know is said to be unknown."""
        file = Path(terminal.run("device", "sample", sampled, "graz", "--json").document["file"])
        file.write_text("tunnel-create --start-now\n")

        ran = terminal.run("device", "sample", sampled, "graz")
        assert "unknown: assume" in " ".join(ran.out.split())
        assert "none found" not in ran.out

    def test_without_a_sample(self, terminal, waiting):
        """If the plan names no device type, the sheet has the reason."""
        ran = terminal.run("device", "sample", waiting, "munich")

        assert ran.code == 2
        assert f"vpnmigrate device sheet {waiting} {MUNICH}" in ran.err

    def test_types(self, terminal):
        """AWS's kinds of devices are listed, on all pages, each with its platform."""
        found = terminal.run("device", "types", "--json").document["types"]
        names = {each["name"]: each["platform"] for each in found}

        assert len(found) == 18
        assert names["strongSwan/Ubuntu 16.04/strongSwan 5.5.1+"] == "strongswan-bird"
        assert names["Yamaha/RTX Routers/Rev.10.01.16+"] == "generic"


def test_keys_in_secrets_manager_and_old_tunnels_that_are_left(terminal):
    """The commands name the secret of the keys, and block 2 leaves the old tunnels enabled."""
    Path("two.yaml").write_text(TWO_SITES, encoding="utf-8")
    terminal.scenario("two.yaml")
    terminal.without_engineer()
    Path("own.yaml").write_text(
        "name: own\nsummary: Own.\ndecisions: {keys: secrets-manager, old_tunnels: leave}\n",
        encoding="utf-8",
    )
    run = terminal.planned("--playbook", "own.yaml")
    assert terminal.run("apply", "plan.json", "--until", "cutover").code == 3

    shown = terminal.run("device", "config", run, "--site", "munich", "--platform", "vyos")

    assert shown.code == 0, shown.err
    text = " ".join(shown.out.split())
    assert "The pre-shared keys are in `arn:aws:secretsmanager:eu-west-1:" in text
    assert "it is in AWS Secrets Manager, arn:aws:secretsmanager:" in text
    private = terminal.run("device", "config", run, "--site", "munich", "--with-keys", "keys.txt")
    assert "no pre-shared key" in private.out
    assert "configuration.xml`, which only its owner" not in text
    assert "the plan leaves the old ones enabled" in text
    assert "the old ones left as they are" in text
