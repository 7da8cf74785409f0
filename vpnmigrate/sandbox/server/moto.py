"""Moto adapter: a world's answers inside moto's server.

moto brings the HTTP side (routing by credential scope, parameter parsing, serialisation) and the
rest of EC2.  Of moto's response classes only ``call_action``, ``params``, ``_get_action``,
``serialized`` and ``ActionResult`` are used, so its models may change without touching us, and
nothing of moto's own is replaced: each door is a subclass that one application owns.
"""

from __future__ import annotations

import json
import logging
import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol
from xml.sax.saxutils import escape

from botocore.model import OperationNotFoundError
from moto.core.responses import ActionResult, BaseResponse
from moto.core.utils import convert_to_flask_response
from moto.directconnect.responses import DirectConnectResponse
from moto.ec2.models import ec2_backends
from moto.ec2.responses import EC2Response
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.servicequotas.responses import ServiceQuotasResponse
from moto.sts.responses import TokenResponse
from werkzeug.wrappers import Response

from vpnmigrate.sandbox.ec2.dispatch import USER, user_of
from vpnmigrate.sandbox.ec2.ids import ApiError

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from flask import Flask

log = logging.getLogger(__name__)

_RESPONSES: Mapping[str, type[BaseResponse]] = {
    "ec2": EC2Response,
    "sts": TokenResponse,
    "directconnect": DirectConnectResponse,
    "servicequotas": ServiceQuotasResponse,
}
"""By moto's name of the service."""
_LOOKED_UP = ("123456789012", "us-east-1")
"""The account and Region in which moto looks up its URLs, whoever asks."""


class Ec2Backend(Protocol):
    """What the door needs of a World."""

    @property
    def account(self) -> str:
        """The only account there is."""
        ...

    @property
    def region(self) -> str:
        """The Region it is in."""
        ...

    def handles(self, service: str, action: str) -> bool:
        """Return whether *action* of *service*, named as boto3 names it, is the World's."""
        ...

    def execute(self, service: str, action: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Carry out *action*.

        Raises:
            ApiError: As AWS would refuse it.
        """
        ...


@dataclass(frozen=True)
class _Regions:
    home: Ec2Backend
    elsewhere: Callable[[str], Ec2Backend]

    def world(self, region: str) -> Ec2Backend:
        return self.home if region == self.home.region else self.elsewhere(region)


class _MotoDispatcher(BaseResponse):
    """Answers the World's actions, and leaves the others to the moto class it is mixed into."""

    regions: ClassVar[_Regions]

    def __init__(self) -> None:
        super().__init__()  # the moto class sets its own service name
        self.automated_parameter_parsing = True

    def call_action(self) -> Any:
        """Return moto's triple of status, headers and body.

        Raises:
            ApiError: For the application to write, as moto would not keep its status.
        """
        action = self._get_action()
        world = self.regions.world(self.region)
        if not world.handles(self.boto3_service_name, action):
            return super().call_action()
        params = self.params
        key, *_ = _credential(self.headers.get("Authorization", ""))
        if action == "GetCallerIdentity" and (user := user_of(key)):
            params = {**params, USER: user}
        result = world.execute(self.boto3_service_name, action, params)
        status, headers, body = self.serialized(ActionResult(result))
        return status, headers, _told_apart(body)


def _told_apart(body: str | bytes) -> str | bytes:
    """Return the answer a request id of its own: moto gives all the same, and evidence names them."""
    if isinstance(body, str):
        return body.replace(">request-id<", f">{uuid.uuid4()}<", 1)
    return body.replace(b">request-id<", f">{uuid.uuid4()}<".encode(), 1)


class MotoApplication:
    """A WSGI application that serves the World of one Region, and of *elsewhere* the others'.

    A World must bear being called by several threads.
    Everything leaves it in the form that AWS clients read: what nobody here models is an
    ``InvalidAction`` of status 400, a defect of moto's an ``InternalError`` of status 500.
    """

    def __init__(self, home: Ec2Backend, elsewhere: Callable[[str], Ec2Backend]) -> None:
        self._account = home.account
        self._regions = _Regions(home, elsewhere)
        self._moto: WSGIApplication = DomainDispatcherApplication(self._application_of)
        with _without_default_images():
            for account, region in (_LOOKED_UP, (home.account, home.region)):
                ec2_backends[account][region]  # moto builds it when first asked for

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = self._account
        try:
            return self._moto(environ, start_response)
        except ApiError as error:
            answer = _refusal(environ, error.status, error.code, error.message)
        except (NotImplementedError, OperationNotFoundError) as gap:
            answer = _refusal(environ, 400, "InvalidAction", f"The sandbox lacks this: {gap}")
        except Exception:  # a server outlives the defects of what it serves
            log.exception("moto failed")
            answer = _refusal(environ, 500, "InternalError", "moto failed on this request")
        return answer(environ, start_response)

    def _application_of(self, service: Any) -> Flask:
        if service is None or service == "moto_api":
            raise NotImplementedError("a service of that name")
        application = create_backend_app(service)
        if served := _RESPONSES.get(service):
            door: Any = type("Door", (_MotoDispatcher, served), {"regions": self._regions})
            view: Callable[..., Any] = convert_to_flask_response(door.dispatch)
            application.view_functions = dict.fromkeys(application.view_functions, view)
        return application


def _refusal(environ: WSGIEnvironment, status: int, code: str, message: str) -> Response:
    """Write an error in the protocol of the request's service."""
    request = str(uuid.uuid4())
    if "HTTP_X_AMZ_TARGET" in environ:
        body = json.dumps({"__type": code, "message": message})
        return Response(body, status, content_type="application/x-amz-json-1.1")
    error = f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
    if _service(environ) == "ec2":
        inside = f"<Errors>{error}</Errors><RequestID>{request}</RequestID>"
        return Response(f"<Response>{inside}</Response>", status, content_type="text/xml")
    inside = f"{error}<RequestId>{request}</RequestId>"
    return Response(f"<ErrorResponse>{inside}</ErrorResponse>", status, content_type="text/xml")


def _service(environ: WSGIEnvironment) -> str:
    parts = _credential(environ.get("HTTP_AUTHORIZATION", ""))
    return parts[-2] if len(parts) > 1 else ""


def _credential(authorization: str) -> list[str]:
    """Read a credential and its scope: KEY/DATE/REGION/SERVICE/aws4_request."""
    _, _, scope = authorization.partition("Credential=")
    return scope.partition(",")[0].split("/")


@contextmanager
def _without_default_images() -> Iterator[None]:
    """Keep moto from loading its 600 machine images, which costs a third of a second a Region."""
    name = "MOTO_EC2_LOAD_DEFAULT_AMIS"
    before = os.environ.get(name)
    os.environ[name] = before or "false"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
