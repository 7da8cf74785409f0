"""Validity of credentials and offset of the clock, from botocore."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from botocore.credentials import CredentialProvider

from tests.aws.answering import Answering
from vpnmigrate.aws.account import Reader
from vpnmigrate.aws.renewal import RENEW, renewal_advice
from vpnmigrate.aws.session import Clients, clock_offset, session
from vpnmigrate.engine.ports import Credentials, Renewal
from vpnmigrate.model.clock import VirtualClock
from vpnmigrate.model.errors import NoCredentialsError
from vpnmigrate.model.errors.commands import aws, one_line

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LATER = datetime(2099, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def keys(monkeypatch):
    """Set keys and a Region in the environment."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "no-secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    return monkeypatch


def found():
    return Clients(lambda: session(None, None)).credentials()


def test_keys_of_a_user_do_not_expire(keys):
    """An access key without a session token does not expire."""
    assert found() == Credentials(Renewal.NEVER_EXPIRES, source="env")


def test_a_session_token_expires_at_an_unknown_time(keys):
    """Keys with a copied session token expire at an unknown time."""
    keys.setenv("AWS_SESSION_TOKEN", "token")

    assert found() == Credentials(Renewal.MANUAL, source="env")


def test_an_expiry_beside_the_keys_is_read(keys):
    """An expiry in the environment is read; the same keys are returned again."""
    keys.setenv("AWS_SESSION_TOKEN", "token")
    keys.setenv("AWS_CREDENTIAL_EXPIRATION", LATER.isoformat())

    assert found() == Credentials(Renewal.MANUAL, LATER, "env")


def test_what_a_command_gives_is_renewed(keys, tmp_path):
    """Credentials from a command are renewed by botocore."""
    given = '{"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "s", "SessionToken": "t", '
    given += f'"Expiration": "{LATER.isoformat()}"}}'
    (tmp_path / "given.json").write_text(given)
    (tmp_path / "config").write_text(
        f"[profile other]\ncredential_process = cat {tmp_path}/given.json\n"
    )
    keys.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    keys.setenv("AWS_PROFILE", "other")
    keys.delenv("AWS_ACCESS_KEY_ID")
    keys.delenv("AWS_SECRET_ACCESS_KEY")

    assert found() == Credentials(Renewal.AUTOMATIC, LATER, "custom-process")


SSO = """[profile prod]
sso_start_url = https://example.awsapps.com/start
sso_region = eu-west-1
sso_account_id = 123456789012
sso_role_name = migrate
"""


def test_a_login_that_is_missing_names_the_command_that_renews_it(keys, tmp_path):
    """The command is that of the profile's kind, as in the message of a run in its outage."""
    (tmp_path / "config").write_text(SSO)
    keys.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    keys.setenv("AWS_PROFILE", "prod")
    keys.setenv("HOME", str(tmp_path))
    keys.delenv("AWS_ACCESS_KEY_ID")
    keys.delenv("AWS_SECRET_ACCESS_KEY")

    with pytest.raises(NoCredentialsError) as missing:
        Reader(Clients(lambda: session(None, None)), VirtualClock()).identity()

    assert missing.value.advice == ("log in again:", aws("sso", "login"))


def test_keys_of_the_environment_are_renewed_in_another_shell():
    """A process keeps its variables, so the message says how to resume with new ones."""
    assert "set new keys in another shell" in one_line(renewal_advice("env"))


@pytest.mark.parametrize(
    "source", sorted({each.METHOD for each in CredentialProvider.__subclasses__() if each.METHOD})
)
def test_every_source_of_botocore_has_its_own_advice(source):
    """No provider of botocore is left with the general text, except for boto 2's files."""
    general = renewal_advice(source) == RENEW

    assert general == (source in {"boto-config", "ec2-credentials-file"})


@pytest.mark.parametrize(
    ("date", "ahead"),
    [
        ("Sun, 01 Mar 2026 11:59:00 GMT", timedelta(minutes=1)),
        ("Sun, 01 Mar 2026 12:07:00 GMT", -timedelta(minutes=7)),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_the_date_on_an_answer_is_compared(date, ahead):
    """The clock is compared with the Date of an answer, if it is valid."""
    headers = {} if date is None else {"date": date}

    assert clock_offset({"ResponseMetadata": {"HTTPHeaders": headers}}, NOON) == ahead


def test_an_answer_without_headers_tells_nothing():
    """Without a Date the offset is unknown."""
    who = Reader(
        Answering({"GetCallerIdentity": {"Account": "1"}}).clients(), VirtualClock()
    ).identity()

    assert who.ahead is None
    assert who.credentials == Credentials(Renewal.NEVER_EXPIRES, source="explicit")
