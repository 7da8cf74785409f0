"""Measure ``discover`` over many accounts: ``scripts/measure_discovery.py [--jobs N]``.

A server answers every request after 50 ms, or later if other work on the machine delays it.  What
the concurrency allows is the time that it took for all requests, divided by the jobs; ``ratio`` is
the elapsed time of the whole command, with its start, divided by that.  One Region of each account
has a gateway; the others are empty.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]

ACCOUNTS = 50
REGIONS = tuple(
    f"{area}-{side}-{number}"
    for area, side, numbers in (
        *(("us", "east", 2), ("us", "west", 2), ("eu", "west", 3), ("eu", "central", 1)),
        *(("eu", "north", 1), ("ap", "south", 1), ("ap", "southeast", 2), ("ap", "northeast", 3)),
        *(("ca", "central", 1), ("sa", "east", 1)),
    )
    for number in range(1, numbers + 1)
)
"""The Regions that every account has enabled by default."""
DELAY = 0.05
"""Seconds until the server answers."""
GATEWAY_REGION = "eu-west-1"
JOBS = (4, 8, 16)

_CONNECTION = (
    "<item><vpnConnectionId>vpn-0a</vpnConnectionId><state>available</state>"
    "<category>VPN-Classic</category><vpnGatewayId>vgw-0a</vpnGatewayId>"
    "<customerGatewayId>cgw-0a</customerGatewayId><type>ipsec.1</type></item>"
)
_FOUND = {
    "DescribeVpnGateways": "<vpnGatewaySet><item><vpnGatewayId>vgw-0a</vpnGatewayId>"
    "<state>available</state><attachments><item><vpcId>vpc-0a</vpcId><state>attached</state>"
    "</item></attachments></item></vpnGatewaySet>",
    "DescribeVpnConnections": f"<vpnConnectionSet>{_CONNECTION}</vpnConnectionSet>",
    "DescribeCustomerGateways": "<customerGatewaySet><item><customerGatewayId>cgw-0a"
    "</customerGatewayId><state>available</state><ipAddress>203.0.113.1</ipAddress>"
    "<bgpAsn>65000</bgpAsn></item></customerGatewaySet>",
    "DescribeVpcs": "<vpcSet><item><vpcId>vpc-0a</vpcId><state>available</state>"
    "<cidrBlock>10.0.0.0/16</cidrBlock></item></vpcSet>",
    "DescribeRouteTables": "<routeTableSet><item><routeTableId>rtb-0a</routeTableId>"
    "<vpcId>vpc-0a</vpcId></item></routeTableSet>",
    "DescribeVpcEncryptionControls": "<vpcEncryptionControlSet/>",
    "DescribeAccountVpcEncryptionControl": "<accountVpcEncryptionControl/>",
    "DescribeRegions": "<regionInfo>{}</regionInfo>".format(
        "".join(f"<item><regionName>{name}</regionName></item>" for name in REGIONS)
    ),
}
_EMPTY = {
    "DescribeVpnGateways": "<vpnGatewaySet/>",
    "DescribeVpnConnections": "<vpnConnectionSet/>",
}
_JSON = {
    "GetServiceQuota": {"Quota": {"Value": 5.0}},
    "DescribeVirtualInterfaces": {"virtualInterfaces": []},
    "DescribeDirectConnectGatewayAssociations": {"directConnectGatewayAssociations": []},
}
_UNKNOWN = (
    "<Response><Errors><Error><Code>InvalidAction</Code><Message>This server does not know the "
    "action.</Message></Error></Errors></Response>"
)
_ASSUMED = (
    "<Credentials><AccessKeyId>ASIA{account}</AccessKeyId><SecretAccessKey>x</SecretAccessKey>"
    "<SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>"
)


@dataclass
class Server:
    """An AWS of many accounts; it counts the requests."""

    requests: int = 0
    seconds: float = 0.0
    """The time from each request to its answer, together."""
    port: int = 0

    def start(self) -> None:
        """Listen on loopback, in a thread, and set the port."""
        ready = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._serve(ready)), daemon=True).start()
        ready.wait()

    async def _serve(self, ready: threading.Event) -> None:
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0, backlog=256)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await server.serve_forever()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await _head(reader):
            length = int(_found(rb"\r\nContent-Length: (\d+)", head) or 0)
            body = (await reader.readexactly(length)).decode()
            began = time.perf_counter()
            await asyncio.sleep(DELAY)
            answer = _answer(head, body)
            status = b"200 OK" if answer else b"400 Bad Request"
            text = (answer or _UNKNOWN).encode()
            size = b"Content-Length: %d" % len(text)
            writer.write(b"HTTP/1.1 %b\r\n%b\r\n\r\n%b" % (status, size, text))
            await writer.drain()
            self.requests += 1
            self.seconds += time.perf_counter() - began


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""


def _found(pattern: bytes, head: bytes) -> str:
    match = re.search(pattern, head, re.IGNORECASE)
    return match[1].decode() if match else ""


def _answer(head: bytes, body: str) -> str:
    """Return the answer to a request, or an empty string for an action that is not known here."""
    if target := _found(rb"X-Amz-Target: \w+\.(\w+)", head):
        return json.dumps(_JSON[target]) if target in _JSON else ""
    action = re.findall(r"Action=(\w+)", body)[0]
    if action == "AssumeRole":
        (account,) = re.findall(r"iam%3A%3A(\d+)", body)
        inside = _ASSUMED.format(account=account)
    elif action == "GetCallerIdentity":
        account = _found(rb"Credential=ASIA(\d+)", head)
        inside = f"<Account>{account}</Account><Arn>arn:x</Arn>"
    else:
        region = _found(rb"Credential=[^/]+/\d+/([^/]+)", head)
        found = _FOUND if region == GATEWAY_REGION else {**_FOUND, **_EMPTY}
        if action not in found:
            return ""
        return f"<{action}Response><requestId>r-0a</requestId>{found[action]}</{action}Response>"
    return f"<{action}Response><{action}Result>{inside}</{action}Result></{action}Response>"


@dataclass(frozen=True)
class Measured:
    """Result of one discovery."""

    jobs: int
    requests: int
    served: float
    elapsed: float
    cpu: float

    @property
    def allowed(self) -> float:
        """Seconds that the requests take with these jobs, without any work between them."""
        return self.served / self.jobs


def measure(jobs: int, accounts: int = ACCOUNTS) -> Measured:
    """Return the figures of a discovery of *accounts* in every Region."""
    server = Server()
    server.start()
    numbers = [f"{100000000000 + number}" for number in range(accounts)]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "accounts.txt")
        file.write_text("\n".join(f"arn:aws:iam::{n}:role/Read" for n in numbers))
        began, spent = time.perf_counter(), os.times().children_user
        answer = subprocess.run(
            [
                *(sys.executable, "-m", "vpnmigrate", "discover", "--json", "--all-regions"),
                *("--accounts", str(file), "--jobs", str(jobs)),
            ],
            check=True,
            capture_output=True,
            env={
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.port}",
                "AWS_ACCESS_KEY_ID": "x",
                "AWS_SECRET_ACCESS_KEY": "x",
                "AWS_DEFAULT_REGION": GATEWAY_REGION,
                "HOME": folder,
                "PATH": os.defpath,
                "PYTHONPATH": str(ROOT),
            },
        )
        elapsed = time.perf_counter() - began
    document = json.loads(answer.stdout)
    counted = len(document["places"]), len(document["gateways"])
    if counted != (accounts * len(REGIONS), accounts):
        raise ValueError(f"not everything was read: {counted}")
    cpu = os.times().children_user - spent
    return Measured(jobs, server.requests, server.seconds, elapsed, cpu)


def rows(every: Sequence[int]) -> None:
    """Print a row of figures for each number of jobs."""
    print(f"discover: {ACCOUNTS} accounts of {len(REGIONS)} Regions, {DELAY * 1000:.0f} ms each")
    print(_line("jobs", "requests", "answer ms", "allowed s", "elapsed s", "CPU s", "ratio"))
    for jobs in every:
        row = measure(jobs)
        answer = f"{row.served / row.requests * 1000:.0f}"
        seconds = (f"{each:.1f}" for each in (row.allowed, row.elapsed, row.cpu))
        ratio = f"{row.elapsed / row.allowed:.2f}"
        print(_line(str(jobs), str(row.requests), answer, *seconds, ratio), flush=True)


def _line(*cells: str) -> str:
    return "".join(f"{cell:>11}" for cell in cells)


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, action="append", help="only this; repeatable")
    rows(parser.parse_args().jobs or JOBS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
