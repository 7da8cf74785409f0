"""Row cache: unchanged rows of repeated describe answers, parsed once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from vpnmigrate.aws.parse import (
    ELSEWHERE,
    HasId,
    connection_at_a_glance,
    gateway_record,
    in_order,
    table_record,
)
from vpnmigrate.model.ec2 import ConnectionRecord, GatewayRecord, RouteTableRecord

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import RouteTableTypeDef, VpnConnectionTypeDef, VpnGatewayTypeDef

_Row = TypeVar("_Row", bound=Mapping[str, Any])
_Record = TypeVar("_Record", bound=HasId)


class Remembered(Generic[_Row, _Record]):
    """Reads rows of one kind with *read*, each again only if one of its *parts* has changed.

    *id_* is the key of a row's id, and *parts* gives all else that *read* takes from a row.
    Comparing them costs much less than to read them, and nothing else of a row is kept.
    """

    def __init__(
        self, read: Callable[[_Row], _Record], id_: str, parts: Callable[[_Row], tuple[Any, ...]]
    ) -> None:
        self._read = read
        self._id = id_
        self._parts = parts
        self._last: dict[str, tuple[tuple[Any, ...], _Record]] = {}

    def read(self, rows: Iterable[_Row]) -> tuple[_Record, ...]:
        """Return the records of *rows* by id, the very same where a row is as it was."""
        last, self._last = self._last, {}
        records = []
        for row in rows:
            id_, parts = str(row.get(self._id)), self._parts(row)
            known, record = last.get(id_, (None, None))
            if record is None or known != parts:
                record = self._read(row)
            self._last[id_] = parts, record
            records.append(record)
        return in_order(records)


class Memory:
    """What a reader remembers of the look before."""

    def __init__(self) -> None:
        self.gateways: Remembered[VpnGatewayTypeDef, GatewayRecord] = Remembered(
            gateway_record, "VpnGatewayId", _of_gateway
        )
        self.connections: Remembered[VpnConnectionTypeDef, ConnectionRecord] = Remembered(
            connection_at_a_glance, "VpnConnectionId", _of_connection
        )
        self.tables: Remembered[RouteTableTypeDef, RouteTableRecord] = Remembered(
            table_record, "RouteTableId", _of_table
        )


_GATEWAY = ("State", "AmazonSideAsn", "Type", "VpcAttachments", "Tags")
_TABLE = ("VpcId", "OwnerId", "Associations", "PropagatingVgws", "Routes", "Tags")
_CONNECTION = (
    *("State", "Category", "CustomerGatewayId", "VpnGatewayId", *ELSEWHERE),
    *("Routes", "VgwTelemetry", "Tags"),
)


def _of_gateway(row: VpnGatewayTypeDef) -> tuple[Any, ...]:
    return tuple(map(row.get, _GATEWAY))


def _of_connection(row: VpnConnectionTypeDef) -> tuple[Any, ...]:
    """Leave out the configuration, and but for one thing the options: they hold keys."""
    return *map(row.get, _CONNECTION), (row.get("Options") or {}).get("StaticRoutesOnly")


def _of_table(row: RouteTableTypeDef) -> tuple[Any, ...]:
    return tuple(map(row.get, _TABLE))
