"""Boto client: a boto3 session that is answered by a world.

A call is answered between botocore's parameter check and its transport, so it costs a fraction of
a call over HTTP and can never reach a socket.  Nothing global is changed: other sessions of the
process are not affected.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from copy import deepcopy
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn

from vpnmigrate.sandbox.client.call import LATENCY, CallPipeline, SandboxGapError
from vpnmigrate.sandbox.faults import FaultSource

if TYPE_CHECKING:
    import boto3
    from botocore.loaders import Loader
    from botocore.model import OperationModel
    from botocore.session import Session

    from vpnmigrate.sandbox.authorization import CalledWorld

KEY = "SANDBOX"
"""Access key id and secret, which are not checked."""


def session_for(
    world: CalledWorld,
    *,
    latency: timedelta = LATENCY,
    faults: FaultSource | None = None,
    advance: Callable[[timedelta], None] | None = None,
) -> boto3.Session:
    """Return a session whose clients are answered by *world*.

    The other parameters are those of ``CallPipeline``.
    """
    import boto3

    handlers = _BotoHandlers(CallPipeline(world, latency=latency, faults=faults, advance=advance))
    botocore_session = _isolated_session(world.region)
    botocore_session.register("before-parameter-build", handlers.note, unique_id="sandbox-note")
    # The stubs know only handlers that give nothing back; botocore takes this one's answer.
    answer: Any = handlers.answer
    botocore_session.register("before-call", answer, unique_id="sandbox-answer")
    botocore_session.register("before-send", handlers.refuse, unique_id="sandbox-refuse")
    return boto3.Session(
        aws_access_key_id=KEY,
        aws_secret_access_key=KEY,
        region_name=world.region,
        botocore_session=botocore_session,
    )


class _BotoHandlers:
    """The handlers of one session."""

    def __init__(self, pipeline: CallPipeline) -> None:
        self._pipeline = pipeline

    def note(self, **event: Any) -> None:
        """Record the parameters of the caller: later handlers see only the request's body."""
        event["context"][_PARAMS] = event["params"]

    def answer(self, **event: Any) -> tuple[object, dict[str, Any]]:
        """Return a response and its parsed body, as botocore would read them from AWS."""
        model: OperationModel = event["model"]
        params = deepcopy(dict(event["context"][_PARAMS]))
        service = model.service_model.service_name
        # The world may give the same answer again: what its caller does to this one is his own.
        parsed = deepcopy(self._pipeline.pass_(service, model.name, params))
        return _response(parsed["ResponseMetadata"]["HTTPStatusCode"]), parsed

    def refuse(self, **_event: Any) -> NoReturn:
        """Refuse to open a network connection."""
        raise SandboxGapError("a sandbox's client was about to open a connection; it was stopped")


_PARAMS = "vpnmigrate-sandbox-params"


def _response(status: int) -> object:
    from botocore.awsrequest import AWSResponse

    headers: Any = {}
    return AWSResponse("https://sandbox.invalid/", status, headers, None)


def _isolated_session(region: str) -> Session:
    """Return a botocore session on which environment variables and files have no effect."""
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
    """Return botocore's service models, loaded once: EC2's alone takes a tenth of a second."""
    from botocore.loaders import Loader

    return Loader()
