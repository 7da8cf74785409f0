"""Hand-back to code, read by Terraform itself where it is installed."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.builders import NEW, NEW_VPN, OLD, OLD_VPN, a_gateway, a_plan, a_survey
from vpnmigrate.model.plan import GATEWAY_ROLE, connection_role
from vpnmigrate.planning.hand_back import HandBack, hand_back
from vpnmigrate.planning.terraform_state import terraform_resources
from vpnmigrate.report.hand_back import as_json, text

MADE = {GATEWAY_ROLE: NEW, connection_role(OLD_VPN): NEW_VPN}
TERRAFORM = shutil.which("terraform") or shutil.which("tofu")
needs_terraform = pytest.mark.skipif(TERRAFORM is None, reason="no terraform or tofu here")


def an_instance(kind, name, key=None, module="", **attributes):
    index = {} if key is None else {"index_key": key}
    return {
        **({"module": module} if module else {}),
        "mode": "managed",
        "type": kind,
        "name": name,
        "instances": [{**index, "attributes": attributes}],
    }


RESOURCES = [
    an_instance("aws_vpn_gateway", "main", id=OLD, vpc_id="vpc-1"),
    an_instance("aws_vpn_connection", "site", 'a "b" ${c}', id=OLD_VPN, vpn_gateway_id=OLD),
    an_instance("aws_vpn_gateway_attachment", "x", id="vpn-attachment-1", vpn_gateway_id=OLD),
    an_instance("aws_vpn_gateway_route_propagation", "p", 0, vpn_gateway_id=OLD),
    an_instance("aws_route", "r", gateway_id=OLD),
    an_instance("aws_vpn_gateway", "other", id="vgw-other"),
    an_instance("aws_vpn_gateway", "old", module='module.a["b"]', id=OLD),
]


def found(resources=None, plan=None) -> HandBack:
    state = {"version": 4, "resources": RESOURCES if resources is None else resources}
    return hand_back(plan or a_plan(), MADE, terraform_resources(state))


def test_an_old_resource_is_forgotten_and_its_successor_adopted():
    """In two stages, because a removed block needs the name to be free."""
    result = found(RESOURCES[:1])

    assert result.first == (
        "removed {\n  from = aws_vpn_gateway.main\n  lifecycle {\n    destroy = false\n  }\n}\n",
        f'import {{\n  to = aws_vpn_gateway.main_migrated\n  id = "{NEW}"\n}}\n',
    )
    assert result.second == (
        "moved {\n  from = aws_vpn_gateway.main_migrated\n  to   = aws_vpn_gateway.main\n}\n",
    )


def test_an_instance_with_a_key_is_forgotten_by_a_command():
    """Terraform allows no key in a removed block; the import keeps the address."""
    result = found()

    removals = [str(task) for task in result.before_first if "state rm" in str(task)]
    assert len(removals) == 3
    assert shlex.split(removals[0])[-1] == 'aws_vpn_connection.site["a \\"b\\" $${c}"]'
    assert 'to = aws_vpn_connection.site["a \\"b\\" $${c}"]' in "".join(result.first)
    assert 'to = module.a["b"].aws_vpn_gateway.old' in "".join(result.first)
    assert "from = module" not in "".join(result.first)


def test_what_only_holds_an_old_id_is_on_the_check_list():
    """A route learns the new id from the gateway; a resource of another gateway is left out."""
    result = found()

    assert any("aws_route.r" in task and f"{OLD} is {NEW}" in task for task in result.afterwards)
    assert "aws_vpn_gateway.other" not in text(result, "m-1")


def test_the_blocks_name_the_version_that_they_need():
    """An older Terraform refuses a removed block; without blocks no version matters."""
    assert "Terraform 1.7" in text(found(), "m-1")
    assert "Terraform 1.7" not in text(found([]), "m-1")


def test_a_stack_adopts_the_new_gateway_by_import():
    """The tags of the survey name the stack and the logical id."""
    tags = {"aws:cloudformation:stack-name": "net", "aws:cloudformation:logical-id": "Gateway"}
    plan = a_plan(before=a_survey(gateway=a_gateway(tags=tags)))

    (stack,) = as_json(found(plan=plan), "m-1")["stacks"]

    assert stack["import"] == {
        "ResourceType": "AWS::EC2::VPNGateway",
        "LogicalResourceId": "Gateway",
        "ResourceIdentifier": {"VPNGatewayId": NEW},
    }
    assert "CloudFormation stack net" in text(found(plan=plan), "m-1")


@pytest.mark.parametrize("name", ["a\nb", "a b", "", "${x}"])
def test_a_name_that_terraform_does_not_allow_is_refused(name):
    """No text of a state file becomes a block."""
    state = {"version": 4, "resources": [an_instance("aws_vpn_gateway", name, id=OLD)]}

    with pytest.raises(ValueError, match="no valid name"):
        terraform_resources(state)


@needs_terraform
class TestTerraform:
    """terraform_data stands for the resources of AWS: it needs no provider from the network."""

    def run(self, place: Path, *words: str) -> str:
        done = subprocess.run(
            [str(TERRAFORM), *words],
            cwd=place,
            env={"PATH": os.environ["PATH"], "HOME": str(place), "CHECKPOINT_DISABLE": "1"},
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def apply(self, place: Path, *parts: str) -> None:
        data = re.sub(r"\baws_vpn_(?:gateway|connection)\b", "terraform_data", "\n".join(parts))
        (place / "main.tf").write_text(data)
        self.run(place, "apply", "-auto-approve", "-no-color")

    def test_the_file_is_terraform_as_it_formats_it(self, tmp_path):
        """Every block and every comment is read, also with the blocks of the second stage."""
        result = found()
        (tmp_path / "vpn.tf").write_text(text(result, "m-1"))
        (tmp_path / "all.tf").write_text("\n".join([*result.first, *result.second]))

        assert self.run(tmp_path, "fmt", "-check", "-no-color") == ""

    def test_both_stages_leave_the_new_resources_under_the_old_names(self, tmp_path):
        """Nothing is created or destroyed, and the addresses are those of the configuration."""
        result = found(RESOURCES[:2])
        key = '[for k in [1] : "a \\"b\\" $${c}"]'
        site = f'resource "aws_vpn_connection" "site" {{\n  for_each = toset({key})\n}}\n'

        def gateway(name):
            return f'resource "aws_vpn_gateway" "{name}" {{}}\n'

        (tmp_path / "main.tf").write_text("")
        self.run(tmp_path, "init", "-no-color")
        self.apply(tmp_path, gateway("main"), site)
        for task in result.before_first:
            if str(task).startswith("terraform"):
                address = shlex.split(str(task))[-1].replace("aws_vpn_connection", "terraform_data")
                self.run(tmp_path, "state", "rm", address)

        self.apply(tmp_path, *result.first, gateway("main_migrated"), site)
        self.apply(tmp_path, *result.second, gateway("main"), site)

        held = json.loads((tmp_path / "terraform.tfstate").read_text())["resources"]
        ids = {r["name"]: r["instances"][0]["attributes"]["id"] for r in held}
        assert ids == {"main": NEW, "site": NEW_VPN}
