"""Unparseable HTTP answers: no part of them is in a message."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.aws.answering import MARK
from tests.support.http_server import serving
from vpnmigrate.aws import describe
from vpnmigrate.aws.account import Account
from vpnmigrate.aws.answers import without_characters_xml_forbids
from vpnmigrate.aws.errors import LONGEST
from vpnmigrate.aws.session import Clients, session
from vpnmigrate.aws.survey import direct_connect, quotas
from vpnmigrate.local.vault import Vault
from vpnmigrate.model.changes import CreateVpnConnection
from vpnmigrate.model.changes.base import InDoubt
from vpnmigrate.model.clock import SteadyClock
from vpnmigrate.model.decisions import KeyMode
from vpnmigrate.model.ec2 import CustomerGatewayId, VpnConnectionId, VpnGatewayId
from vpnmigrate.model.errors import AwsUnreadableError
from vpnmigrate.model.plan import connection_role

KEY = "CANARY0123456789abcdef_A"
OLD = VpnConnectionId("vpn-1")
CONFIGURATION = f"&lt;vpn_connection&gt;&lt;pre_shared_key&gt;{KEY}&lt;/pre_shared_key&gt;"
ROW = (
    "<vpnConnectionId>vpn-1</vpnConnectionId>"
    f"<customerGatewayConfiguration>{CONFIGURATION}</customerGatewayConfiguration>"
    "<tagSet><item><key>Name</key><value>{name}</value></item></tagSet>"
)
DESCRIBED = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<DescribeVpnConnectionsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">'
    f"<requestId>r-1</requestId><vpnConnectionSet><item>{ROW}</item></vpnConnectionSet>"
    "</DescribeVpnConnectionsResponse>"
)
CREATED = f"<CreateVpnConnectionResponse><vpnConnection>{ROW}</vpnConnection>"

CREATE = CreateVpnConnection(
    connection_role(OLD),
    gateway=VpnGatewayId("vgw-1"),
    customer_gateway=CustomerGatewayId("cgw-1"),
    replaces=OLD,
    static_only=False,
    keys=KeyMode.NEW,
)


@contextmanager
def answering(body: bytes, *, status: int = 200, raw: bytes | None = None) -> Iterator[Clients]:
    """Answer every call with *body*, or with *raw* instead of an HTTP answer."""

    def answer(request: BaseHTTPRequestHandler, _: bytes) -> None:
        if raw is not None:
            request.wfile.write(raw)
            request.close_connection = True
            return
        request.send_response(status)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    with serving(answer) as address:
        yield Clients(
            lambda: session(None, "eu-west-1"),
            endpoint_url=address,
        )


def account_of(clients: Clients, place: Path) -> Account:
    return Account(clients, SteadyClock(), Vault(place))


def everything_in(error: BaseException) -> str:
    """Return everything of *error* that is printed or logged."""
    return "".join([*traceback.format_exception(error), repr(error), str(error)])


UNPARSEABLE = {
    "cut in a key": DESCRIBED.format(name="x").encode().partition(b"89abcdef")[0],
    "cut behind a key": DESCRIBED.format(name="x").encode().partition(b"&lt;/pre_shared")[0],
    "no XML": KEY.encode(),
    "no UTF-8": DESCRIBED.format(name="\udcff").encode(errors="surrogateescape"),
    "crossed tags": DESCRIBED.format(name="</key>").encode(),
}


@pytest.mark.parametrize("body", UNPARSEABLE.values(), ids=UNPARSEABLE)
def test_a_read_that_cannot_be_parsed_is_told_by_class_status_and_length(body):
    """The parser's error quotes the whole body; the message does not."""
    with answering(body) as clients, pytest.raises(AwsUnreadableError) as caught:
        describe.connections(clients.reader())

    assert caught.value.message == (
        "ec2:DescribeVpnConnections failed: the answer with HTTP status 200 and "
        f"{len(body)} bytes cannot be parsed (ResponseParserError)"
    )
    assert len(caught.value.message) <= LONGEST
    assert caught.value.advice_text
    assert KEY[:6] not in everything_in(caught.value)


@pytest.mark.parametrize("cut", [60, 150, 300, 380])
def test_a_creation_whose_answer_is_cut_is_in_doubt_and_says_no_key(cut, tmp_path):
    """The connection may exist, and its keys are not in the outcome."""
    body = CREATED.format(name="x").encode()[:cut]
    with answering(body) as clients:
        outcome = account_of(clients, tmp_path).perform(CREATE, MARK)

    assert isinstance(outcome, InDoubt)
    assert KEY[:6] not in repr(outcome)
    assert f"{len(body)} bytes" in outcome.why
    assert len(outcome.why) <= LONGEST


def test_a_creation_answered_in_invalid_utf_8_is_in_doubt(tmp_path):
    """An invalid encoding is an outcome, not a crash."""
    body = CREATED.format(name="\udcff").encode(errors="surrogateescape")
    with answering(body) as clients:
        outcome = account_of(clients, tmp_path).perform(CREATE, MARK)

    assert isinstance(outcome, InDoubt)
    assert KEY[:6] not in repr(outcome)


def test_a_line_that_is_not_http_is_not_quoted(tmp_path):
    """The HTTP library quotes the invalid line; the message does not."""
    with answering(b"", raw=f"{KEY}\r\n\r\n".encode()) as clients:
        outcome = account_of(clients, tmp_path).perform(CREATE, MARK)

    assert isinstance(outcome, InDoubt)
    assert KEY not in repr(outcome)


@pytest.mark.parametrize("status", [200, 400, 503])
def test_a_service_of_json_that_answers_otherwise_is_not_quoted(status):
    """Botocore uses a whole body that is not JSON as the message; this one does not."""
    with answering(f"<pre>{KEY}</pre>".encode(), status=status) as clients:
        found = direct_connect(clients, VpnGatewayId("vgw-1"))
        _, unread = quotas(clients)

    assert found.unread
    assert unread
    assert KEY not in repr((found, unread))


def test_a_long_message_of_a_refusal_is_shortened(tmp_path):
    """A long message is shortened, because it is logged with every observation."""
    body = (
        "<Response><Errors><Error><Code>IncorrectState</Code>"
        f"<Message>{'long ' * 9999}</Message></Error></Errors><RequestID>r-1</RequestID></Response>"
    )
    with answering(body.encode(), status=400) as clients:
        outcome = account_of(clients, tmp_path).perform(CREATE, MARK)

    assert len(repr(outcome)) < 2 * LONGEST


@pytest.mark.parametrize(
    "name", ["\x1b[2J", "\x00", "&#27;[2J", "&#x1B;", "&#xD800;", "\ufffe", "&#xFFFFFF;"]
)
def test_a_control_character_in_a_tag_is_replaced(name):
    """A control character in a tag is replaced; the rest of the answer is unchanged."""
    with answering(DESCRIBED.format(name=name).encode()) as clients:
        (row,) = describe.connections(clients.reader())

    assert row["VpnConnectionId"] == OLD
    assert KEY in row["CustomerGatewayConfiguration"]
    (tag,) = row["Tags"]
    assert tag["Value"].startswith("\N{REPLACEMENT CHARACTER}")


@pytest.mark.parametrize(
    "good", ["tab\tand\r\nlines", "&#9;&#10;&#13;", "&#x1F600; \U0001f600", "&amp;#27;", "&lt;"]
)
def test_what_xml_allows_is_left_as_it_is(good):
    """A valid answer is not altered."""
    body = DESCRIBED.format(name=good).encode()

    assert without_characters_xml_forbids(body) == body
