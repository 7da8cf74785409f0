"""Sessions and clients."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError

from tests.aws.answering import Answering
from vpnmigrate.aws.session import Clients, session
from vpnmigrate.model.errors import NoCredentialsError, UsageError


class Body(BytesIO):
    """The body of an answer, as botocore reads it from a connection."""

    def stream(self, **_: object) -> Iterator[bytes]:
        """Return the body in one piece."""
        yield self.read()


BROKEN = (
    b"<Response><!-- the.key_answered -->"
    b"<Errors><Error><Code>Unavailable</Code></Error></Errors></Response>"
)


class Wire:
    """Answers each HTTP request with 503 and counts them."""

    def __init__(self) -> None:
        self.urls: list[str] = []

    def session(self) -> boto3.Session:
        """Return a session whose requests end here."""
        opened = session(None, "eu-west-1")
        events: Any = opened.events  # its stubs do not allow a handler to answer
        events.register("before-send", self._answer)
        return opened

    def _answer(self, request: Any, **_: object) -> AWSResponse:
        self.urls.append(request.url)
        headers: Any = {}
        return AWSResponse(request.url, 503, headers, Body(BROKEN))


class TestSession:
    """Credentials, profile and Region."""

    def test_region_of_the_environment(self, monkeypatch):
        """Without --region botocore's own variables are used."""
        monkeypatch.setenv("AWS_DEFAULT_REGION", "sa-east-1")

        assert session(None, None).region_name == "sa-east-1"
        assert session(None, "eu-west-1").region_name == "eu-west-1"

    def test_no_region(self, monkeypatch):
        """Without any Region the error shows how to set one."""
        monkeypatch.delenv("AWS_DEFAULT_REGION")

        with pytest.raises(NoCredentialsError) as caught:
            session(None, None)
        assert "--region" in caught.value.advice_text

    def test_no_credentials(self, monkeypatch):
        """Without credentials the error shows how to get them."""
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

        with pytest.raises(NoCredentialsError) as caught:
            session(None, "eu-west-1")
        assert "--profile" in caught.value.advice_text

    def test_unknown_profile(self):
        """An unknown profile is named."""
        with pytest.raises(NoCredentialsError, match="no-such-profile"):
            session("no-such-profile", "eu-west-1")

    def test_unknown_profile_of_the_environment(self, monkeypatch):
        """The same for a profile that AWS_PROFILE names."""
        monkeypatch.setenv("AWS_PROFILE", "no-such-profile")

        with pytest.raises(NoCredentialsError, match="no-such-profile"):
            session(None, "eu-west-1")


class TestClients:
    """Clients and what they send."""

    def test_a_mutating_call_is_sent_once(self):
        """No SDK retry: a call with a lost answer must not be executed twice."""
        wire = Wire()

        with pytest.raises(ClientError, match="Unavailable"):
            Clients(wire.session).writer().create_vpn_gateway(Type="ipsec.1")
        assert len(wire.urls) == 1

    def test_the_endpoint_is_given_to_every_service(self):
        """--endpoint-url applies to EC2, STS, Direct Connect and Service Quotas."""
        clients = Clients(Answering().session, endpoint_url="http://127.0.0.1:5000")
        made = [
            clients.reader(),
            clients.writer(),
            clients.sts(),
            clients.direct_connect(),
            clients.service_quotas(),
        ]

        assert {client.meta.endpoint_url for client in made} == {"http://127.0.0.1:5000"}

    def test_the_endpoint_of_the_environment(self, monkeypatch):
        """AWS_ENDPOINT_URL has its usual meaning."""
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:5001")

        assert Clients(Answering().session).reader().meta.endpoint_url == "http://127.0.0.1:5001"

    def test_a_bad_endpoint(self):
        """An invalid endpoint URL is a usage error."""
        with pytest.raises(UsageError, match="not-a-url"):
            Clients(Answering().session, endpoint_url="not-a-url").reader()

    def test_retries_and_time_outs(self):
        """Reads are retried and time out soon; a mutating call has a longer time-out."""
        clients = Answering().clients()
        reader: Any = clients.reader().meta.config
        writer: Any = clients.writer().meta.config

        assert reader.retries == {"mode": "standard", "total_max_attempts": 5}
        assert writer.retries == {"mode": "standard", "total_max_attempts": 1}
        assert (reader.read_timeout, writer.read_timeout) == (20, 60)

    def test_renewing(self):
        """After a renewal one new session is opened, and every client comes from it."""
        opened: list[boto3.Session] = []

        def open_session() -> boto3.Session:
            opened.append(Answering().session())
            return opened[-1]

        clients = Clients(open_session)
        before = clients.reader()
        assert clients.reader() is before
        clients.renew()

        assert clients.reader() is not before
        assert clients.region == "eu-west-1"
        assert len(opened) == 2

    def test_debug_logs_hold_no_bodies(self, caplog):
        """Even with debug logging on, botocore writes no request and no answer."""
        with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, logger="botocore"):
            client = Clients(Wire().session).writer()
            with pytest.raises(ClientError):
                client.create_vpn_connection(
                    CustomerGatewayId="cgw-1",
                    Type="ipsec.1",
                    Options={"TunnelOptions": [{"PreSharedKey": "the.key_sent"}]},
                )

        assert "the.key_sent" not in caplog.text
        assert "the.key_answered" not in caplog.text


def test_the_models_of_the_services_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions of many runs in one process share them, and their folders are listed once."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "no-secret")

    first, second = (session(None, "eu-west-1")._session for _ in range(2))

    models = first.get_component("data_loader")
    assert second.get_component("data_loader") is models
    assert len(models.search_paths) == len(set(models.search_paths))
