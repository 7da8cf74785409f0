"""A session whose clients are answered from a table, without a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import cache
from typing import Any

import boto3
import botocore.session
from botocore.awsrequest import AWSResponse
from botocore.loaders import Loader

from vpnmigrate.aws.session import Clients
from vpnmigrate.model.changes.base import CallTags
from vpnmigrate.model.ec2 import MigrationId

MARK = CallTags(MigrationId("mig-1"), attempt=2, step=3)
REQUEST_ID = "11111111-2222-3333-4444-555555555555"

NOT_THERE = object()
"""Marks a part that AWS always returns as missing."""

Params = Mapping[str, Any]
Answer = Mapping[str, Any] | Exception | Callable[[Params], Any]


class Refusal(Exception):  # noqa: N818
    """An error answer of AWS."""

    def __init__(self, code: str, message: str = "no", status: int = 400) -> None:
        super().__init__(code)
        self.code, self.text, self.status = code, message, status


@cache
def _models() -> Loader:
    """Return botocore's service models, loaded once: EC2's takes a tenth of a second."""
    return Loader()


class Answering:
    """Answers each operation from a table, several answers in turn, and records the calls.

    An operation without an entry has AWS's default answer: empty lists, and an empty quota.
    The last answer of several is repeated.
    """

    def __init__(self, answers: Mapping[str, Answer | list[Answer]] | None = None) -> None:
        self.answers = {
            name: list(answer) if isinstance(answer, list) else [answer]
            for name, answer in (answers or {}).items()
        }
        self.asked: list[tuple[str, Params]] = []
        self.agents: list[str] = []

    @property
    def operations(self) -> list[str]:
        """The names of the called operations, in order."""
        return [name for name, _ in self.asked]

    def params(self, operation: str) -> Params:
        """Return the parameters of the last call of *operation*."""
        return [params for name, params in self.asked if name == operation][-1]

    def session(self) -> boto3.Session:
        """Return a session with these answers."""
        within = botocore.session.Session()
        within.register_component("data_loader", _models())
        session = boto3.Session(
            "AKIATEST", "no-secret", region_name="eu-west-1", botocore_session=within
        )
        events: Any = session.events  # its stubs do not allow a handler to answer
        events.register("before-parameter-build", self._note)
        events.register("before-call", self._answer)
        return session

    def clients(self) -> Clients:
        """Return clients with these answers."""
        return Clients(self.session)

    def _note(self, params: Params, context: dict[str, Any], **_: object) -> None:
        context["asked"] = deepcopy(dict(params))

    def _answer(
        self, model: Any, params: Params, context: dict[str, Any], **_: object
    ) -> tuple[AWSResponse, dict[str, Any]]:
        self.asked.append((model.name, context["asked"]))
        self.agents.append(params["headers"]["User-Agent"])
        queue = self.answers.get(model.name, [{}])
        answer = queue.pop(0) if len(queue) > 1 else queue[0]
        status = 200
        if callable(answer):
            answer = answer(context["asked"])
        if isinstance(answer, Refusal):
            status = answer.status
            answer = {"Error": {"Code": answer.code, "Message": answer.text}}
        if isinstance(answer, Exception):
            raise answer
        if status == 200:
            whole = {**_hollow(model), **answer}
            answer = {name: part for name, part in whole.items() if part is not NOT_THERE}
        meta = {"RequestId": REQUEST_ID, "HTTPStatusCode": status}
        headers: Any = {}
        return (
            AWSResponse("https://answering.invalid/", status, headers, None),
            {**deepcopy(dict(answer)), "ResponseMetadata": meta},
        )


def _hollow(model: Any) -> dict[str, Any]:
    """Return the parts of an answer that AWS always returns."""
    members = model.output_shape.members if model.output_shape else {}
    nothing: dict[str, Any] = {"list": [], "structure": {}}
    return {
        name: nothing[shape.type_name]
        for name, shape in members.items()
        if shape.type_name == "list" or name == "Quota"
    }
