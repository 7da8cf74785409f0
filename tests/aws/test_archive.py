"""A connection's device files."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from botocore import exceptions as botocore

from tests.aws.answering import MARK, Answering, Params, Refusal
from tests.devices.documents import NEW_ENDS, NEW_KEYS, OLD_ENDS, OLD_KEYS, a_document
from tests.devices.test_hazards import IOS
from vpnmigrate.aws.account import Account
from vpnmigrate.devices.tunnel_values import ConnectionOptions
from vpnmigrate.local.vault import Vault
from vpnmigrate.model.changes import ArchiveConfiguration
from vpnmigrate.model.changes.base import Later, Outcome, Performed, Refused
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.ec2 import VpnConnectionId

OLD, NEW = VpnConnectionId("vpn-old"), VpnConnectionId("vpn-new")
DOCUMENT = "CustomerGatewayConfiguration"
OLD_DOCUMENT = a_document(connection=OLD)
NEW_DOCUMENT = a_document(NEW_ENDS, connection=NEW, asn=64512)
TYPES = [
    {"VpnConnectionDeviceTypeId": "11111111", "Vendor": "Cisco", "Platform": "ASA"},
    {
        "VpnConnectionDeviceTypeId": "22222222",
        "Vendor": "Cisco Systems, Inc.",
        "Platform": "CSRv AMI",
        "Software": "IOS 12.4+ / 15",
    },
]
NAMED = "cisco systems, inc./CSRv AMI/IOS 12.4+ / 15"


def connections(**rows: dict[str, Any] | None) -> Any:
    """Return answers of DescribeVpnConnections by id; one that is None is not found."""
    world = {
        OLD: {"State": "available", "CustomerGatewayConfiguration": OLD_DOCUMENT},
        NEW: {"State": "available", "CustomerGatewayConfiguration": NEW_DOCUMENT},
        **{f"vpn-{name}": row for name, row in rows.items()},
    }

    def answer(params: Params) -> Any:
        (asked,) = params["VpnConnectionIds"]
        row = world[asked]
        if row is None:
            return Refusal("InvalidVpnConnectionID.NotFound")
        return {"VpnConnections": [{"VpnConnectionId": asked, **row}]}

    return answer


def an_ec2(**answers: Any) -> Answering:
    """Return an EC2 that shows both connections and has a sample."""
    return Answering(
        {
            "DescribeVpnConnections": connections(),
            "GetVpnConnectionDeviceTypes": {"VpnConnectionDeviceTypes": TYPES},
            "GetVpnConnectionDeviceSampleConfiguration": {
                "VpnConnectionDeviceSampleConfiguration": IOS
            },
            **answers,
        }
    )


def device_folder(**more: Any) -> ArchiveConfiguration:
    """Return the change that creates the new connection's folder."""
    return ArchiveConfiguration(NEW, replaces=OLD, **{"device_type": NAMED, **more})


@pytest.fixture
def vault(tmp_path) -> Vault:
    """Return an empty vault."""
    return Vault(tmp_path / "devices")


def archive(change: ArchiveConfiguration, answering: Answering, vault: Vault) -> Outcome:
    """Perform *change* and return its outcome."""
    return Account(answering.clients(), VirtualClock(), vault).perform(change, MARK)


def files(vault: Vault, connection: VpnConnectionId) -> dict[str, str]:
    """Return the files of a connection's folder."""
    return {path.name: path.read_text() for path in vault.folder(connection).iterdir()}


class TestOldConnection:
    """Step 4, and step 11, keep the old configuration."""

    def test_as_ec2_gave_it(self, vault):
        """The configuration is kept unchanged, and the outcome has its hash (case 70)."""
        outcome = archive(ArchiveConfiguration(OLD), an_ec2(), vault)

        sha = hashlib.sha256(OLD_DOCUMENT.encode()).hexdigest()
        assert outcome == Performed(files={"vpn-old": sha})
        found = files(vault, OLD)
        assert set(found) == {"configuration.xml", "options.json"}
        assert found["configuration.xml"] == OLD_DOCUMENT
        assert vault.holds(OLD, "configuration.xml", sha)

    def test_unreadable_is_kept_too(self, vault):
        """An invalid configuration is kept too."""
        row = {"State": "available", "CustomerGatewayConfiguration": "not XML"}
        answering = an_ec2(DescribeVpnConnections=connections(old=row))

        assert isinstance(archive(ArchiveConfiguration(OLD), answering, vault), Performed)
        assert files(vault, OLD)["configuration.xml"] == "not XML"

    @pytest.mark.parametrize("state", ["deleting", "available"])
    def test_not_shown(self, vault, state):
        """If EC2 shows none, a note is kept, and the outcome says that nothing was archived."""
        answering = an_ec2(DescribeVpnConnections=connections(old={"State": state}))
        outcome = archive(ArchiveConfiguration(OLD), answering, vault)

        ((name, note),) = files(vault, OLD).items()
        assert name == "configuration-missing.txt"
        assert state in note
        assert outcome == Performed(files={"vpn-old": ""})

    def test_not_listed(self, vault):
        """A connection that is not listed is retried: it may be too new (domain.md 2.3)."""
        answering = an_ec2(DescribeVpnConnections=connections(old=None))

        assert isinstance(archive(ArchiveConfiguration(OLD), answering, vault), Later)


class TestDeviceFolder:
    """Files for the device engineer."""

    def test_files(self, vault):
        """Configuration, sample and sheet are in the new connection's folder; no key is printed."""
        outcome = archive(device_folder(), an_ec2(), vault)

        found = files(vault, NEW)
        assert set(found) == {"configuration.xml", "options.json", "sample.txt", "sheet.md"}
        assert found["sample.txt"] == IOS
        assert all(key in found["sheet.md"] for key in (*OLD_KEYS, *NEW_KEYS))
        assert isinstance(outcome, Performed)
        assert set(outcome.files) == {"vpn-new"}
        assert not any(key in repr(outcome) for key in (*OLD_KEYS, *NEW_KEYS))

    def test_the_type_is_found_by_its_names(self, vault):
        """A device type is found by its names, on whatever page (domain.md 2.8)."""
        pages = [
            {"VpnConnectionDeviceTypes": TYPES[:1], "NextToken": "2"},
            {"VpnConnectionDeviceTypes": TYPES[1:]},
        ]
        answering = an_ec2(GetVpnConnectionDeviceTypes=pages)
        archive(device_folder(), answering, vault)

        assert answering.params("GetVpnConnectionDeviceSampleConfiguration") == {
            "VpnConnectionId": "vpn-new",
            "VpnConnectionDeviceTypeId": "22222222",
            "InternetKeyExchangeVersion": "ikev2",
            "SampleType": "recommended",
        }

    def test_ikev1(self, vault):
        """A recommended sample is never requested with IKEv1 (case 38)."""
        answering = an_ec2()
        archive(device_folder(ike_version="ikev1"), answering, vault)

        asked = answering.params("GetVpnConnectionDeviceSampleConfiguration")
        assert (asked["InternetKeyExchangeVersion"], asked["SampleType"]) == (
            "ikev1",
            "compatibility",
        )

    @pytest.mark.parametrize(
        ("change", "answers", "why"),
        [
            (device_folder(device_type=None), {}, "the plan names no device type"),
            (device_folder(device_type="Acme/X/1"), {}, "AWS lists no device type Acme/X/1"),
            (
                device_folder(),
                {"GetVpnConnectionDeviceTypes": Refusal("UnauthorizedOperation", status=403)},
                "these credentials may not call ec2:GetVpnConnectionDeviceTypes",
            ),
            (
                device_folder(),
                {"GetVpnConnectionDeviceSampleConfiguration": Refusal("UnsupportedOperation")},
                "UnsupportedOperation",
            ),
            (
                device_folder(),
                {
                    "GetVpnConnectionDeviceSampleConfiguration": {
                        "VpnConnectionDeviceSampleConfiguration": ""
                    }
                },
                "AWS's sample is empty",
            ),
        ],
    )
    def test_no_sample(self, vault, change, answers, why):
        """Without a sample the folder is created, and the sheet has the reason."""
        outcome = archive(change, an_ec2(**answers), vault)

        assert isinstance(outcome, Performed)
        assert "sample.txt" not in files(vault, NEW)
        assert why in files(vault, NEW)["sheet.md"]

    def test_a_sample_that_may_come_later(self, vault):
        """A throttled sample is retried."""
        throttled = Refusal("RequestLimitExceeded", status=503)
        answering = an_ec2(GetVpnConnectionDeviceSampleConfiguration=throttled)

        assert isinstance(archive(device_folder(), answering, vault), Later)

    def test_chosen_options(self, vault):
        """The chosen options are on the sheet, without a second copy of the key."""
        options = [
            {
                "OutsideIpAddress": NEW_ENDS[0].outside,
                "PreSharedKey": NEW_KEYS[0],
                "IkeVersions": [{"Value": "ikev2"}],
                "Phase1DHGroupNumbers": [{"Value": 14}, {"Value": 20}],
                "DpdTimeoutSeconds": 40,
                "StartupAction": "add",
            }
        ]
        row = {
            "State": "available",
            "CustomerGatewayConfiguration": NEW_DOCUMENT,
            "Options": {"TunnelOptions": options},
        }
        archive(device_folder(), an_ec2(DescribeVpnConnections=connections(new=row)), vault)

        page = files(vault, NEW)["sheet.md"]
        assert "| chosen: IKE versions |  | `ikev2` |" in page
        assert "| chosen: IKE DH groups |  | `14, 20` |" in page
        assert "| chosen: dead peer timeout, s |  | `40` |" in page
        assert page.count(NEW_KEYS[0]) == 1

    def test_old_connection_gone(self, vault):
        """Without the old connection the sheet shows only the new one."""
        answering = an_ec2(DescribeVpnConnections=connections(old=None))

        assert isinstance(archive(device_folder(), answering, vault), Performed)
        page = files(vault, NEW)["sheet.md"]
        assert "The configuration of vpn-old is not shown here: the connection is deleted." in page
        assert NEW_KEYS[1] in page

    @pytest.mark.parametrize("shown", [None, "", a_document(OLD_ENDS[:1]), a_document(())])
    def test_configuration_that_is_not_whole(self, vault, shown):
        """Without the values of both tunnels nothing is written, and the run asks again."""
        row = {"State": "available", **({} if shown is None else {DOCUMENT: shown})}
        answering = an_ec2(DescribeVpnConnections=connections(new=row))

        outcome = archive(device_folder(), answering, vault)

        assert isinstance(outcome, Later)
        assert outcome.holds
        assert "vpn-new" in outcome.why
        assert not vault.folder(NEW).exists() or files(vault, NEW) == {}

    def test_configuration_that_cannot_be_read(self, vault):
        """An invalid configuration is kept, and the sheet names its file."""
        row = {"State": "available", "CustomerGatewayConfiguration": "<other/>"}
        answering = an_ec2(DescribeVpnConnections=connections(new=row))

        assert isinstance(archive(device_folder(), answering, vault), Performed)
        assert "configuration.xml has it as EC2 returned it." in files(vault, NEW)["sheet.md"]

    def test_keys_in_secrets_manager(self, vault):
        """If AWS keeps the keys, the sheet names the secret."""
        ends = tuple(type(e)(e.outside, e.inside) for e in NEW_ENDS)
        row = {
            "State": "available",
            "CustomerGatewayConfiguration": a_document(ends),
            "PreSharedKeyArn": "arn:aws:secretsmanager:eu-west-1:1:secret:vpn-new",
        }
        answering = an_ec2(DescribeVpnConnections=connections(new=row))

        archive(device_folder(), answering, vault)
        assert row["PreSharedKeyArn"] in files(vault, NEW)["sheet.md"]
        known = ConnectionOptions.of(json.loads(files(vault, NEW)["options.json"]))
        assert known.key_store == row["PreSharedKeyArn"]

    def test_an_arn_beside_shown_keys(self, vault):
        """EC2 may return the ARN although it stores the keys itself: then they are in the file."""
        row = {
            "State": "available",
            "CustomerGatewayConfiguration": a_document(NEW_ENDS),
            "PreSharedKeyArn": "arn:aws:secretsmanager:eu-west-1:1:secret:vpn-new",
        }
        answering = an_ec2(DescribeVpnConnections=connections(new=row))

        archive(device_folder(), answering, vault)
        known = ConnectionOptions.of(json.loads(files(vault, NEW)["options.json"]))
        assert known.key_store == ""


class TestFailing:
    """A failed archiving is an outcome."""

    def test_offline(self, vault):
        """Without a connection to AWS it is retried."""
        gone = botocore.EndpointConnectionError(endpoint_url="https://ec2")
        answering = an_ec2(DescribeVpnConnections=gone)

        assert isinstance(archive(ArchiveConfiguration(OLD), answering, vault), Later)

    def test_denied(self, vault):
        """Without the permission it is refused, and the action is named."""
        answering = an_ec2(DescribeVpnConnections=Refusal("UnauthorizedOperation", status=403))
        outcome = archive(ArchiveConfiguration(OLD), answering, vault)

        assert isinstance(outcome, Refused)
        assert "ec2:DescribeVpnConnections" in outcome.message

    def test_vault_that_cannot_be_written(self, tmp_path):
        """If the files cannot be written, nothing is reported as archived."""
        (tmp_path / "in-the-way").write_text("")
        outcome = archive(ArchiveConfiguration(OLD), an_ec2(), Vault(tmp_path / "in-the-way"))

        assert isinstance(outcome, Refused)
        assert outcome.code == "Vault"
        assert not any(key in repr(outcome) for key in OLD_KEYS)
