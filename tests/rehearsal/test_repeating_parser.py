"""The simulation's parser: equal rows are parsed once, changed rows again."""

from typing import Any

from tests.support.builders import NOON
from vpnmigrate.aws.reading import RowParser
from vpnmigrate.cli.commands.sandbox import load
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.rehearsal.simulation.account import RepeatingParser
from vpnmigrate.sandbox.client.direct import DirectClients
from vpnmigrate.sandbox.scenarios.load import load_world


def rows() -> tuple[list[Any], list[Any], list[Any]]:
    """Return the gateways, connections and route tables of a sandbox, as new rows."""
    ec2 = DirectClients(load_world(load("single-bgp"), VirtualClock(NOON))).reader()
    return (
        [*ec2.describe_vpn_gateways()["VpnGateways"]],
        [*ec2.describe_vpn_connections()["VpnConnections"]],
        [*ec2.describe_route_tables()["RouteTables"]],
    )


def test_a_row_that_stays_the_same_gives_the_same_record():
    """The record equals that of a parser that repeats nothing."""
    parser = RepeatingParser()
    gateways, connections, tables = rows()
    same_gateways, same_connections, same_tables = rows()
    for row, again in zip(gateways, same_gateways, strict=True):
        gateway = parser.gateway(row)
        assert gateway == RowParser().gateway(row)
        assert parser.gateway(again) is gateway
    for row, again in zip(connections, same_connections, strict=True):
        connection = parser.connection(row)
        assert connection == RowParser().connection(row)
        assert parser.connection(again) is connection
    for row, again in zip(tables, same_tables, strict=True):
        table = parser.table(row)
        assert table == RowParser().table(row)
        assert parser.table(again) is table


def test_a_row_that_changed_is_parsed_again():
    """A state, a route, and telemetry deep in a row all count as changes."""
    parser = RepeatingParser()
    (gateway, *_), (connection, *_), (table, *_) = rows()
    parser.gateway(gateway)
    tagged: Any = {**gateway, "Tags": [{"Key": "Name", "Value": "other"}]}
    assert parser.gateway(tagged) == RowParser().gateway(tagged)
    parser.connection(connection)
    parser.table(table)
    telemetry: Any = [{**each, "Status": "DOWN"} for each in connection["VgwTelemetry"]]
    others: list[Any] = [
        {**connection, "State": "deleting"},
        {**connection, "VgwTelemetry": telemetry},
    ]
    for changed in others:
        assert parser.connection(changed) == RowParser().connection(changed)
    fewer: Any = {**table, "Routes": table["Routes"][1:]}
    assert parser.table(fewer) == RowParser().table(fewer)


def test_a_real_run_repeats_route_tables_and_parses_a_changed_one_again():
    """The record of an unchanged table is the same object; connections are parsed each time."""
    parser = RowParser()
    _, (connection, *_), (table, *_) = rows()
    _, (connection_again, *_), (table_again, *_) = rows()
    first = parser.table(table)
    changed: Any = {**table, "Routes": [*table["Routes"], {"DestinationCidrBlock": "10.0.0.0/8"}]}

    assert parser.table(table_again) is first
    assert parser.connection(connection) is not parser.connection(connection_again)
    assert parser.table(changed) == RowParser().table(changed) != first
    assert parser.table(table_again) == first
