"""The fast door: a boto3 session whose clients are answered by a World and by nothing else.

A call is answered between botocore's parameter check and its transport, so it costs a fraction of
a call over HTTP and can never reach a socket.  Nothing global is touched: other sessions of the
process go where they went before.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn

from vpnmigrate.clock import VirtualClock
from vpnmigrate.sandbox.apierror import ApiError
from vpnmigrate.sandbox.faults import Faults, FaultSource

if TYPE_CHECKING:
    import boto3
    from botocore.loaders import Loader
    from botocore.model import OperationModel
    from botocore.session import Session

    from vpnmigrate.sandbox.world import World

KEY = "SANDBOX"
"""Access key id and secret: nobody checks them."""
LATENCY = timedelta(seconds=0.2)
"""What a call to EC2 takes; a guess, for an outage that adds up."""


class SandboxGapError(RuntimeError):
    """A client asked for something that no sandbox answers; nothing was sent anywhere."""


def session_for(
    world: World,
    *,
    latency: timedelta = LATENCY,
    faults: FaultSource | None = None,
    advance: Callable[[timedelta], None] | None = None,
) -> boto3.Session:
    """Open a session whose every client is answered by *world*.

    Each call takes *latency*, which *advance* is told; without it a virtual clock is moved on and
    any other clock is left alone.  *faults* come between client and world, see ``faults``.
    """
    import boto3

    if advance is None:
        advance = world.clock.sleep if isinstance(world.clock, VirtualClock) else _no_time
    door = _Door(world, faults or Faults(), lambda: advance(latency))
    botocore_session = _isolated_session(world.region)
    botocore_session.register("before-parameter-build", door.note, unique_id="sandbox-note")
    # The stubs know only handlers that give nothing back; botocore takes this one's answer.
    answer: Any = door.answer
    botocore_session.register("before-call", answer, unique_id="sandbox-answer")
    botocore_session.register("before-send", door.refuse, unique_id="sandbox-refuse")
    return boto3.Session(
        aws_access_key_id=KEY,
        aws_secret_access_key=KEY,
        region_name=world.region,
        botocore_session=botocore_session,
    )


class _Door:
    """The handlers of one session."""

    def __init__(self, world: World, faults: FaultSource, pass_time: Callable[[], None]) -> None:
        self._world = world
        self._faults = faults
        self._pass_time = pass_time
        self._turn = threading.Lock()
        self._calls: Counter[tuple[str, str]] = Counter()

    def note(self, **event: Any) -> None:
        """Keep the parameters as the caller wrote them: later there is only a request's body."""
        event["context"][_PARAMS] = event["params"]

    def answer(self, **event: Any) -> tuple[object, dict[str, Any]]:
        """Give what botocore would have read from AWS: a response and its parsed body."""
        model: OperationModel = event["model"]
        params = deepcopy(dict(event["context"][_PARAMS]))
        service, action = model.service_model.service_name, model.name
        if not self._world.handles(service, action):
            raise SandboxGapError(
                f"the sandbox has no {service} {action}; the call was not sent anywhere"
            )
        number, nth = self._begin(service, action)
        try:
            self._faults.before(service, action, nth)
            parsed = self._world.execute(service, action, params)
            self._faults.after(service, action, nth)
            status = 200
        except ApiError as error:
            parsed, status = {"Error": {"Code": error.code, "Message": error.message}}, error.status
        parsed["ResponseMetadata"] = {
            "RequestId": f"sandbox-{number:06d}",
            "HTTPStatusCode": status,
            "HTTPHeaders": {},
            "RetryAttempts": 0,
        }
        return _response(status), parsed

    def refuse(self, **_event: Any) -> NoReturn:
        """Be the wall behind the door."""
        raise SandboxGapError("a sandbox's client was about to open a connection; it was stopped")

    def _begin(self, service: str, action: str) -> tuple[int, int]:
        with self._turn:
            self._pass_time()
            self._calls[service, action] += 1
            return self._calls.total(), self._calls[service, action]


_PARAMS = "vpnmigrate-sandbox-params"


def _response(status: int) -> object:
    from botocore.awsrequest import AWSResponse

    headers: Any = {}
    return AWSResponse("https://sandbox.invalid/", status, headers, None)


def _no_time(_span: timedelta) -> None:
    """Let a real clock do as it does."""


def _isolated_session(region: str) -> Session:
    """Make a botocore session that no variable of the environment and no file can alter."""
    from botocore.session import Session

    settings = {
        name: (in_file, None, default, convert)
        for name, (in_file, _, default, convert) in Session.SESSION_VARIABLES.items()
    }
    for name in ("config_file", "credentials_file"):
        settings[name] = (None, None, os.devnull, None)
    settings["ignore_configured_endpoint_urls"] = (None, None, True, None)
    session = Session(session_vars=settings)
    session.register_component("data_loader", _models())
    session.set_config_variable("region", region)
    return session


@cache
def _models() -> Loader:
    """Load botocore's service models once: EC2's alone takes a tenth of a second."""
    from botocore.loaders import Loader

    return Loader()
