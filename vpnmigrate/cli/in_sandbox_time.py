"""An ordinary process in the time of a served sandbox, so that EC2's minutes are seconds for both.

Only where the operator names the sandbox, and only as long as every call goes to it: no server's
answer moves the clock of a run that works on anything else.
"""

from __future__ import annotations

import ipaddress
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from vpnmigrate.cli.parts import OwnParts
from vpnmigrate.errors import UnreachableError, UsageError
from vpnmigrate.local.settings import CLOCK_VARIABLE
from vpnmigrate.model.clock import SteadyClock
from vpnmigrate.sandbox.server.client import Client, FollowingClock

if TYPE_CHECKING:
    from vpnmigrate.aws.session import Clients
    from vpnmigrate.cli.flags import Aws


_IN_ITS_TIME = {"ec2", "sts"}
"""The services whose answers have to be in the sandbox's time."""


class InSandboxTime(OwnParts):
    """An ordinary process's parts, but for the clock: it is that of the sandbox at *url*.

    Raises:
        UsageError: That is no sandbox on this machine.
    """

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url.rstrip("/")
        if not _is_loopback(self._url):
            raise _no_clock(
                url, "a sandbox listens on loopback only, such as http://127.0.0.1:5055"
            )
        try:
            self.clock = FollowingClock(Client(self._url), SteadyClock())
        except (UnreachableError, UsageError) as error:
            raise _no_clock(url, error.message) from error

    def clients(self, aws: Aws) -> Clients:
        """Give the usual clients, told the sandbox's time where AWS would tell its own.

        Raises:
            UsageError: They would ask somebody else.
        """
        clients = super().clients(aws)
        clients.reader(), clients.writer(), clients.sts()
        return clients

    def _prepare(self, client: Any) -> None:
        if client.meta.service_model.service_name not in _IN_ITS_TIME:
            return
        if client.meta.endpoint_url.rstrip("/") != self._url:
            raise _no_clock(
                self._url, f"calls go to {client.meta.endpoint_url}, in whose time we are not"
            )
        client.meta.events.register("after-call.sts", self._date)

    def _date(self, parsed: dict[str, Any], **_event: object) -> None:
        now = format_datetime(self.clock.now())
        parsed["ResponseMetadata"]["HTTPHeaders"]["date"] = now


def _is_loopback(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme == "http" and ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


def _no_clock(url: str, why: str) -> UsageError:
    return UsageError(
        f"{CLOCK_VARIABLE}={url} gives no time: {why}",
        advice=f"unset {CLOCK_VARIABLE}, which is for a served sandbox alone",
    )
