"""Archive: configuration, sample and data sheet of a connection.

The data contains keys.  ``vault.Vault.keep`` receives the configuration and the sample as EC2
returned them, the sheet that is made from them, and the options without keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from vpnmigrate.aws import describe
from vpnmigrate.aws.describe import pages
from vpnmigrate.aws.parse import chosen_options, connection_record
from vpnmigrate.aws.read_errors import ConfigurationMissingError, translate_errors
from vpnmigrate.devices import CONFIGURATION, OPTIONS, SAMPLE, SHEET
from vpnmigrate.devices.configuration import (
    ConfigurationError,
    IncompleteConfigurationError,
    parse_configuration,
)
from vpnmigrate.devices.sheet import SampleConfiguration, SheetSide, sheet
from vpnmigrate.devices.tunnel_values import ConnectionOptions
from vpnmigrate.model.changes import ArchiveConfiguration
from vpnmigrate.model.changes.base import Performed
from vpnmigrate.model.ec2 import KeyVisibility, MigrationId, VpnConnectionId
from vpnmigrate.model.errors import AwsError, AwsUnreadableError, NotFoundError

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import VpnConnectionTypeDef

MISSING: Final = "configuration-missing.txt"


class ConfigurationStore(Protocol):
    """Store of device files: ``local.vault.Vault``."""

    def keep(self, connection: VpnConnectionId, name: str, text: str) -> str:
        """Write *text* durably and return its SHA-256.

        Raises:
            VaultError: The file could not be written.
        """
        ...


def archive(
    change: ArchiveConfiguration, ec2: EC2Client, vault: ConfigurationStore, run: MigrationId
) -> Performed:
    """Write the device files that *change* of *run* requires.

    A sample that AWS denies, and an old connection's configuration that EC2 does not show, are
    noted in the files, and do not fail the change; the hash of the latter is empty.

    Raises:
        ConfigurationMissingError: EC2 does not show the whole configuration of a new connection.
        AwsError: A describe call failed.
        VaultError: A file could not be written.
    """
    row = describe.connection(ec2, change.connection)
    if row is None:
        raise NotFoundError(f"{change.connection} is not listed")
    if change.replaces is not None:
        _require_whole(change.connection, row)
    kept = _keep_configuration(change.connection, row, vault)
    if change.replaces is not None:
        sample = _sample(change, ec2)
        if sample.text:
            vault.keep(change.connection, SAMPLE, sample.text)
        old, new = _old_side(change.replaces, ec2), _side(change.connection, row)
        vault.keep(change.connection, SHEET, sheet(old, new, sample, run))
    return Performed(files={str(change.connection): kept})


def _keep_configuration(
    connection: VpnConnectionId, row: VpnConnectionTypeDef, vault: ConfigurationStore
) -> str:
    text = row.get("CustomerGatewayConfiguration")
    if text:
        options = replace(ConnectionOptions.of(row), key_store=_key_store(row)).as_row()
        vault.keep(connection, OPTIONS, _json_text(options))
        return vault.keep(connection, CONFIGURATION, text)
    vault.keep(
        connection,
        MISSING,
        f"EC2 showed no configuration for {connection}, whose state was {row.get('State', '')}.\n"
        "It shows one only while a connection is pending or available.\n",
    )
    return ""


def _json_text(options: Mapping[str, Any]) -> str:
    text = msgspec.json.encode(options, enc_hook=str)
    return f"{msgspec.json.format(text, indent=1).decode()}\n"


def _require_whole(connection: VpnConnectionId, row: VpnConnectionTypeDef) -> None:
    """Check that EC2 shows the values of both tunnels, which the device engineer needs."""
    text = row.get("CustomerGatewayConfiguration")
    if not text:
        raise ConfigurationMissingError(f"EC2 shows no configuration of {connection}")
    try:
        parse_configuration(text)
    except IncompleteConfigurationError as exc:
        raise ConfigurationMissingError(f"{connection}: {exc.message}") from None
    except ConfigurationError:
        pass  # The sheet says why, and refers to the file.


def _old_side(connection: VpnConnectionId, ec2: EC2Client) -> SheetSide:
    try:
        row = describe.connection(ec2, connection)
    except NotFoundError:
        row = None
    if row is None:
        return SheetSide(connection, why_not="the connection is deleted.")
    return _side(connection, row)


def _side(connection: VpnConnectionId, row: VpnConnectionTypeDef) -> SheetSide:
    text = row.get("CustomerGatewayConfiguration")
    key_store = _key_store(row)
    if not text:
        why = f"EC2 shows none while the connection is {row.get('State', 'in an unknown state')}."
        return SheetSide(connection, why_not=why, key_store=key_store)
    try:
        configuration = parse_configuration(text)
    except ConfigurationError as exc:
        why = f"{exc.message}. The file {CONFIGURATION} has it as EC2 returned it."
        return SheetSide(connection, why_not=why, key_store=key_store)
    return SheetSide(connection, configuration, choices=chosen_options(row), key_store=key_store)


def _key_store(row: VpnConnectionTypeDef) -> str:
    """Return the ARN of the secret with the keys, if EC2 does not show the keys themselves.

    EC2 may return the ARN although it stores the keys itself (domain.md 14.1).
    """
    tunnels = connection_record(row).tunnels
    shown = any(tunnel.key in _SHOWN for tunnel in tunnels)
    return "" if shown else row.get("PreSharedKeyArn") or ""


_SHOWN: Final = (KeyVisibility.SHOWN, KeyVisibility.UNFIT)


def _sample(change: ArchiveConfiguration, ec2: EC2Client) -> SampleConfiguration:
    if change.device_type is None:
        return SampleConfiguration(why_not="the plan names no device type.")
    # EC2 has no recommended sample for IKEv1 (domain.md 2.8).
    flavour = "compatibility" if change.ike_version == "ikev1" else "recommended"
    try:
        device = _device_type_id(change.device_type, ec2)
        if device is None:
            return SampleConfiguration(why_not=f"AWS lists no device type {change.device_type}.")
        with translate_errors("ec2:GetVpnConnectionDeviceSampleConfiguration"):
            answer = ec2.get_vpn_connection_device_sample_configuration(
                VpnConnectionId=change.connection,
                VpnConnectionDeviceTypeId=device,
                InternetKeyExchangeVersion=change.ike_version,
                SampleType=flavour,
            )
            text = answer["VpnConnectionDeviceSampleConfiguration"]
    except AwsUnreadableError:
        raise
    except AwsError as exc:
        return SampleConfiguration(why_not=f"{exc.message}.")
    return (
        SampleConfiguration(SAMPLE, text)
        if text
        else SampleConfiguration(why_not="AWS's sample is empty.")
    )


@dataclass(frozen=True)
class DeviceType:
    """A kind of device for which AWS has a sample; its id is opaque (domain.md 2.8)."""

    id: str
    vendor: str
    platform: str
    software: str

    @property
    def name(self) -> str:
        """The name that a playbook's ``device_types`` has."""
        return f"{self.vendor}/{self.platform}/{self.software}"


def device_types(ec2: EC2Client) -> tuple[DeviceType, ...]:
    """Return every kind of device for which AWS has a sample, in AWS's order.

    Raises:
        AwsError: The call failed.
    """
    with translate_errors("ec2:GetVpnConnectionDeviceTypes"):
        return tuple(
            DeviceType(
                row.get("VpnConnectionDeviceTypeId", ""),
                row.get("Vendor", ""),
                row.get("Platform", ""),
                row.get("Software", ""),
            )
            for page in pages(ec2.get_vpn_connection_device_types)
            for row in page["VpnConnectionDeviceTypes"]
        )


def _device_type_id(named: str, ec2: EC2Client) -> str | None:
    wanted = _folded(*named.split("/", 2))
    for each in device_types(ec2):
        if wanted == _folded(each.vendor, each.platform, each.software):
            return each.id or None
    return None


def _folded(*words: str) -> tuple[str, ...]:
    return tuple(" ".join(word.split()).casefold() for word in words)
