"""Control endpoint: devices and time of a served sandbox.

=====  ==============================  ==============================================
GET    time                            time and speed
GET    state                           the same, and gateways, connections, behaviour
POST   devices/CONNECTION/enable       also disable, one-tunnel
POST   devices                         {"mode": "manual"} or
                                       {"mode": "attentive", "seconds": N}
POST   time/advance                    {"seconds": N}
=====  ==============================  ==============================================

A POST has the content type ``application/json`` and a body of at most 64 KiB, which may be empty.
Every answer is a JSON object; one with ``error`` is a refusal.  No answer contains a tunnel's key.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from msgspec import to_builtins
from werkzeug.wrappers import Request, Response

from vpnmigrate.sandbox.device_engineer import AutoEngineerWorld
from vpnmigrate.sandbox.devices import TUNNELS, UnknownConnectionError
from vpnmigrate.sandbox.ec2.tunnels import read_tunnel
from vpnmigrate.sandbox.server.client import PREFIX
from vpnmigrate.sandbox.server.clock import ScaledClock
from vpnmigrate.sandbox.state import Connection, WorldState

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from vpnmigrate.sandbox.world import World


class _RefusedError(Exception):
    """A request that is refused, with the reason and the HTTP status."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class WithControl:
    """The AWS API with the control endpoint in front of it."""

    def __init__(self, api: WSGIApplication, attended: Sequence[AutoEngineerWorld]) -> None:
        """Control the worlds of *attended*; the first is that of the server's own account."""
        self._api = api
        self._attended = attended
        self._world = attended[0].world

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        if not environ.get("PATH_INFO", "").startswith(PREFIX):
            return self._api(environ, start_response)
        request = Request(environ)
        try:
            _require_order(request)
            answer, status = self._answer(request), 200
        except _RefusedError as error:
            answer, status = {"error": str(error)}, error.status
        body = json.dumps(answer)
        return Response(body, status, content_type="application/json")(environ, start_response)

    def _answer(self, request: Request) -> Mapping[str, Any]:
        path = request.path.removeprefix(PREFIX).split("/")
        match request.method, path:
            case "GET", ["time"]:
                return _time(self._world, self._world.clock.now())
            case "GET", ["state"]:
                pass
            case "POST", ["devices", connection, "enable" | "disable" | "one-tunnel" as action]:
                self._move(connection, action)
            case "POST", ["devices"]:
                self._attend(_object(request))
            case "POST", ["time", "advance"]:
                self._advance(_seconds(_object(request)))
            case _:
                raise _RefusedError(f"there is no {request.method} {request.path}", 404)
        for each in self._attended:
            each.attend()
        home, *others = (_state(each.world, each.delay) for each in self._attended)
        return {**home, "others": others} if others else home

    def _move(self, connection: str, action: str) -> None:
        devices = self._world_of(connection).devices
        operations = {
            "enable": devices.enable,
            "disable": devices.disable,
            "one-tunnel": devices.one_tunnel,
        }
        try:
            operations[action](connection)
        except UnknownConnectionError as error:
            raise _RefusedError(str(error), 404) from error

    def _world_of(self, connection: str) -> World:
        """Return the world that has *connection*, or else the first one."""
        for each in self._attended:
            with each.world.to_be_read() as state:
                if connection in state.connections:
                    return each.world
        return self._world

    def _attend(self, body: Mapping[str, Any]) -> None:
        match body.get("mode"):
            case "manual":
                self._set_delay(None)
            case "attentive":
                self._set_delay(_seconds(body))
            case mode:
                raise _RefusedError(f"mode is {mode!r}; it can be manual or attentive")

    def _set_delay(self, delay: timedelta | None) -> None:
        for each in self._attended:
            each.delay = delay

    def _advance(self, span: timedelta) -> None:
        if not isinstance(self._world.clock, ScaledClock):
            raise _RefusedError("this sandbox's clock cannot be advanced", 409)
        self._world.clock.advance(span)


LARGEST_ORDER = 64 * 1024
"""Bytes; the longest valid request has less than a hundred."""


def _require_order(request: Request) -> None:
    """Check the content type and the size of a request.

    A web page can send a form or plain text to any host, but JSON only with that host's consent.

    Raises:
        _RefusedError: The content type is not JSON, or the body is too large.
    """
    if request.method == "POST" and request.mimetype != "application/json":
        raise _RefusedError("the content type is not application/json", 415)
    if (request.content_length or 0) > LARGEST_ORDER:
        raise _RefusedError(f"the body is larger than {LARGEST_ORDER} bytes", 413)


def _object(request: Request) -> Mapping[str, Any]:
    try:
        body = json.loads(request.get_data())
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise _RefusedError("the body is not a JSON object")
    return body


def _seconds(body: Mapping[str, Any]) -> timedelta:
    match body.get("seconds"):
        case int() | float() as seconds if not isinstance(seconds, bool) and _possible(seconds):
            return timedelta(seconds=seconds)
        case other:
            raise _RefusedError(f"seconds is {other!r}; it must be a number from 0 to {_LONGEST}")


def _possible(seconds: float) -> bool:
    return 0 <= seconds <= _LONGEST  # False for NaN as well.


_LONGEST = 10 * 366 * 24 * 3600
"""Ten years: much longer spans would exceed the range of dates."""


def _time(world: World, now: datetime) -> Mapping[str, Any]:
    clock = world.clock
    speed = clock.speed if isinstance(clock, ScaledClock) else None
    return {"time": now.isoformat(), "speed": speed}


def _state(world: World, attentive: timedelta | None) -> Mapping[str, Any]:
    engineer = "manual" if attentive is None else f"attentive after {attentive.total_seconds():g} s"
    with world.alone() as state:
        now = state.now
        return {
            **_time(world, now),
            "account": world.account,
            "region": world.region,
            "devices": engineer,
            "gateways": {
                gateway.id: {
                    "state": state.life(gateway),
                    "vpcs": {row.vpc: row.life.at(now) for row in gateway.held(now)},
                }
                for gateway in state.gateways.values()
                if state.is_there(gateway)
            },
            "connections": {
                connection.id: {
                    "state": state.life(connection),
                    "category": connection.category,
                    "gateway": connection.gateway,
                    "device": "enabled" if world.devices.enabled(connection.id) else "disabled",
                    "tunnels": _tunnels(state, connection),
                }
                for connection in state.connections.values()
                if state.is_there(connection)
            },
            "behaviour": to_builtins(world.behaviour),
        }


def _tunnels(state: WorldState, connection: Connection) -> Mapping[str, str]:
    readings = (read_tunnel(state, connection, number) for number in TUNNELS)
    return {
        tunnel.outside_ip: "UP" if reading.up else "DOWN"
        for tunnel, reading in zip(connection.tunnels, readings, strict=False)
    }
