"""Moto adapter: a world's answers inside moto's server.

moto brings the HTTP side (routing by credential scope, parameter parsing, serialisation) and the
rest of EC2.  Of moto's response classes only ``call_action``, ``params``, ``_get_action``,
``serialized``, ``ActionResult`` and its ``ActionContext`` are used, so changes of its models have
no effect here.  Nothing in moto is replaced: each response class is a subclass that one
application owns.
"""

from __future__ import annotations

import json
import logging
import os
import uuid
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol
from xml.sax.saxutils import escape

from botocore.model import OperationNotFoundError
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionContext, ActionResult, BaseResponse
from moto.core.utils import convert_to_flask_response
from moto.directconnect.responses import DirectConnectResponse
from moto.ec2.models import ec2_backends
from moto.ec2.responses import EC2Response
from moto.events.responses import EventsHandler
from moto.logs.responses import LogsResponse
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.organizations.responses import OrganizationsResponse
from moto.servicequotas.responses import ServiceQuotasResponse
from moto.sts.responses import TokenResponse
from werkzeug.wrappers import Response

from vpnmigrate.sandbox.ec2.dispatch import USER, user_of
from vpnmigrate.sandbox.ec2.ids import ApiError
from vpnmigrate.sandbox.organization import caller_of

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from flask import Flask

log = logging.getLogger(__name__)

RESPONSES: Mapping[str, type[BaseResponse]] = {
    "ec2": EC2Response,
    "sts": TokenResponse,
    "cloudwatch": CloudWatchResponse,
    "directconnect": DirectConnectResponse,
    "events": EventsHandler,
    "logs": LogsResponse,
    "organizations": OrganizationsResponse,
    "servicequotas": ServiceQuotasResponse,
}
"""Response classes, by moto's name of the service."""
_LOOKED_UP = ("123456789012", "us-east-1")
"""Account and Region in which moto looks up its URLs for every request."""


class Ec2Backend(Protocol):
    """The part of a world that the server needs."""

    @property
    def account(self) -> str:
        """The account of the world."""
        ...

    @property
    def region(self) -> str:
        """The Region of the world."""
        ...

    def handles(self, service: str, action: str) -> bool:
        """Return whether the world answers *action* of *service*, named as in boto3."""
        ...

    def execute(self, service: str, action: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Execute *action* and return its answer.

        Raises:
            ApiError: The error that AWS would return.
        """
        ...


class Backends(Protocol):
    """The worlds of a server."""

    @property
    def home(self) -> Ec2Backend:
        """The world of clients without other settings."""
        ...

    def account_of(self, access_key: str) -> str:
        """Return the account of the credentials with *access_key*."""
        ...

    def backend(self, account: str, region: str) -> Ec2Backend:
        """Return the world of *account* in *region*."""
        ...


@dataclass(frozen=True)
class OneAccount:
    """Backends of one account: *home* in its Region, and what *elsewhere* returns in others."""

    home: Ec2Backend
    elsewhere: Callable[[str], Ec2Backend]

    def account_of(self, access_key: str) -> str:
        """Return the only account."""
        del access_key
        return self.home.account

    def backend(self, account: str, region: str) -> Ec2Backend:
        """Return the world of *region*."""
        del account
        return self.home if region == self.home.region else self.elsewhere(region)


class _MotoDispatcher(BaseResponse):
    """Answers the world's actions; the moto class that it is mixed into answers the others."""

    backends: ClassVar[Backends]

    def __init__(self) -> None:
        super().__init__()  # the moto class sets its own service name
        self.automated_parameter_parsing = True

    def call_action(self) -> Any:
        """Return moto's triple of status, headers and body.

        Raises:
            ApiError: The application writes it, because moto would not keep its status.
        """
        action = self._get_action()
        key, *_ = _credential(self.headers.get("Authorization", ""))
        world = self.backends.backend(self.backends.account_of(key), self.region)
        params = self.params
        if not world.handles(self.boto3_service_name, action):
            if params.get("DryRun"):
                raise ApiError("UnsupportedOperation", f"The sandbox has no dry run of {action}.")
            return super().call_action()
        if action == "GetCallerIdentity":
            params = {**params, **caller_of(self.headers.get("X-Amz-Security-Token", ""))}
            if user := user_of(key):
                params[USER] = user
        result = world.execute(self.boto3_service_name, action, params)
        status, headers, body = self.serialized(WorldResult(result))
        return status, headers, _with_request_id(body)


class WorldResult(ActionResult):
    """An answer of a world, which names its members as botocore does.

    moto looks for each member by eight other names as well, which takes two thirds of the time for
    a large answer; without a value picker its serializer takes the name as it is.
    """

    def execute_result(self, context: ActionContext) -> Any:
        """Return moto's triple of status, headers and body."""
        serializer = context.serializer_class(operation_model=context.operation_model)
        answer = serializer.serialize(self.result)
        return answer["status_code"], answer["headers"], answer["body"]


def _with_request_id(body: str | bytes) -> str | bytes:
    """Return *body* with a unique request id: moto's is constant, and evidence lists the ids."""
    if isinstance(body, str):
        return body.replace(">request-id<", f">{uuid.uuid4()}<", 1)
    return body.replace(b">request-id<", f">{uuid.uuid4()}<".encode(), 1)


class _Dispatcher(DomainDispatcherApplication):
    """moto's dispatcher without its two directory listings for each request."""

    def get_backend_for_host(self, host: str | None) -> Any:
        """Return moto's name of the service at *host*, which often begins with that name."""
        service = (host or "").partition(".")[0]
        return service if service in RESPONSES else super().get_backend_for_host(host)


class MotoApplication:
    """A WSGI application that serves the worlds of *backends*.

    A world must be thread-safe.
    Every answer has the form that AWS clients read: an action that neither the world nor moto has
    is an ``InvalidAction`` with status 400, a defect of moto an ``InternalError`` with status 500.
    """

    def __init__(
        self,
        backends: Backends,
        services: Container[str] | None = None,
    ) -> None:
        """Serve the *services* that moto has a name for, all of them by default."""
        home = backends.home
        self._backends = backends
        self._services = services
        self._moto: WSGIApplication = _Dispatcher(self._application_of)
        with _without_default_images():
            for account, region in (_LOOKED_UP, (home.account, home.region)):
                ec2_backends[account][region]  # moto creates it at the first access

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        key, *_ = _credential(environ.get("HTTP_AUTHORIZATION", ""))
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = self._backends.account_of(key)
        try:
            return self._moto(environ, start_response)
        except ApiError as error:
            answer = _refusal(environ, error.status, error.code, error.message)
        except (NotImplementedError, OperationNotFoundError) as gap:
            answer = _refusal(environ, 400, "InvalidAction", f"Not in the sandbox: {gap}")
        except Exception:  # the server continues after a defect in moto
            log.exception("moto failed")
            answer = _refusal(environ, 500, "InternalError", "moto failed on this request")
        return answer(environ, start_response)

    def _application_of(self, service: Any) -> Flask:
        if service is None or service == "moto_api":
            raise NotImplementedError("a service of that name")
        if self._services is not None and service not in self._services:
            raise NotImplementedError(f"{service}, for which no policy is enforced")
        application = create_backend_app(service)
        if served := RESPONSES.get(service):
            served_here: Any = type(
                "Served", (_MotoDispatcher, served), {"backends": self._backends}
            )
            view: Callable[..., Any] = convert_to_flask_response(served_here.dispatch)
            application.view_functions = dict.fromkeys(application.view_functions, view)
        return application


def _refusal(environ: WSGIEnvironment, status: int, code: str, message: str) -> Response:
    """Return an error response in the protocol of the request's service."""
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
    """Return the parts of a credential: KEY/DATE/REGION/SERVICE/aws4_request."""
    _, _, scope = authorization.partition("Credential=")
    return scope.partition(",")[0].split("/")


@contextmanager
def _without_default_images() -> Iterator[None]:
    """Prevent moto from loading its 600 machine images, which takes 0.3 s per Region."""
    name = "MOTO_EC2_LOAD_DEFAULT_AMIS"
    before = os.environ.get(name)
    os.environ[name] = before or "false"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
