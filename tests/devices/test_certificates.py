"""Connections whose tunnels authenticate with certificates: their commands have no keys."""

from __future__ import annotations

import re
from dataclasses import replace

import msgspec
import pytest

from tests.devices.device_tasks import CERTIFICATE, certificate_task, options_of
from tests.support.builders import OLD_VPN, a_customer_gateway, a_plan, a_survey
from vpnmigrate.devices.blocks import BlockName, device_blocks
from vpnmigrate.devices.page import page
from vpnmigrate.devices.platforms import PLATFORMS
from vpnmigrate.local.device_tasks import DeviceTaskReader

KEY_WORDS = re.compile(
    r"pre-?shared|\bpsk|secret|<key of|authentication (?:pre|psk)", re.IGNORECASE
)


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda each: each.name)
@pytest.mark.parametrize("version", ["ikev1", "ikev2"])
def test_certificates_leave_no_line_for_a_key(platform, version):
    """Every platform binds the certificate of the old tunnels, by a command or in words."""
    task = certificate_task()
    options = options_of(IkeVersions=[{"Value": version}])
    found = device_blocks(replace(task, new=replace(task.new, options=options)), platform)
    texts = [*(block.commands for block in found.blocks), *(file.text for file in found.files)]
    loads = (
        *(b.commands for b in found.blocks if b.name is BlockName.LOAD),
        *(file.text for file in found.files),
    )

    assert [line for text in texts for line in text.splitlines() if KEY_WORDS.search(line)] == []
    assert any("certificate" in text or "trustpoint" in text for text in loads)
    assert any(CERTIFICATE in note for note in found.notes)
    assert "there are no pre-shared keys" in page(found)


def test_a_plan_says_whether_a_device_has_a_certificate():
    """The customer gateway's certificate decides, because EC2 may withhold keys as well."""
    device = msgspec.structs.replace(a_customer_gateway(), certificate=CERTIFICATE)
    plans = (a_plan(), a_plan(before=a_survey(customer_gateways=(device,))))
    tasks = [
        DeviceTaskReader(plan, None, lambda _keys: None).task_of("run", "munich", OLD_VPN, "")
        for plan in plans
    ]

    assert [task.certificate for task in tasks] == ["", CERTIFICATE]
