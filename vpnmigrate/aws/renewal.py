"""Renewal: how an operator renews credentials, by where botocore gets them from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from vpnmigrate.model.errors.commands import Advice, aws

RENEW: Final = "renew the credentials (aws sso login, or as usual) and check this machine's clock"

_CHECK: Final = aws("sts", "get-caller-identity")

_NEW_VARIABLES: Final = (
    "set new keys in another shell, stop this process, which keeps its own, and resume there; "
    "check the new ones first:"
)

_BY_SOURCE: Final[Mapping[str, Advice]] = {
    "sso": ("log in again:", aws("sso", "login")),
    "login": ("log in again:", aws("login")),
    "env": (_NEW_VARIABLES, _CHECK),
    "shared-credentials-file": ("write new keys into the credentials file:", aws("configure")),
    "config-file": ("write new keys into the configuration file:", aws("configure")),
    "custom-process": ("log in to the program that credential_process names, then check:", _CHECK),
    "assume-role": (
        "renew the credentials that assume the role (aws sso login, or as usual), then check:",
        _CHECK,
    ),
    "assume-role-with-web-identity": ("renew the web identity token, then check:", _CHECK),
    "container-role": ("the container's role provides them; check it:", _CHECK),
    "iam-role": ("the instance's role provides them; check it:", _CHECK),
}
"""By ``Credentials.method`` of botocore (``botocore.credentials``, each provider's ``METHOD``)."""


def renewal_advice(source: str) -> Advice:
    """Return how to renew credentials from *source*; the commands lack the profile."""
    return _BY_SOURCE.get(source, RENEW)
