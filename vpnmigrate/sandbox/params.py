"""Reading a call's parameters, and cutting its answer into pages, as EC2 does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_network
from typing import Any

from vpnmigrate.sandbox.apierror import ApiError, invalid_value, missing

Params = Mapping[str, Any]
Result = dict[str, Any]
Row = dict[str, Any]


def required(params: Params, name: str) -> str:
    """Give the value of a parameter that EC2 insists on."""
    value = params.get(name)
    if value in (None, ""):
        raise missing(name)
    return str(value)


def network(text: str) -> str:
    """Give *text* as EC2 stores it: with the host bits cleared.

    Raises:
        ApiError: It is no network.
    """
    try:
        return str(ip_network(text, strict=False))
    except ValueError:
        raise invalid_value(
            f"Value ({text}) for parameter destinationCidrBlock is invalid. "
            "This is not a valid CIDR block."
        ) from None


def page(
    rows: Sequence[Row], params: Params, key: str, *, bounds: tuple[int, int], size: int
) -> Result:
    """Answer with one page of *rows* under *key*.

    *size* is how many a page holds at most, however many were asked for within *bounds*.

    Raises:
        ApiError: The page size or the token is not one that EC2 would take.
    """
    wanted = params.get("MaxResults")
    if wanted is not None and not bounds[0] <= int(wanted) <= bounds[1]:
        raise invalid_value(
            f"Value ( {wanted} ) for parameter maxResults is invalid. "
            f"Expecting a value between {bounds[0]} and {bounds[1]}."
        )
    start = _start(params.get("NextToken"), len(rows))
    end = start + min(size, int(wanted or size))
    answer: Result = {key: list(rows[start:end])}
    if end < len(rows):
        answer["NextToken"] = f"{_TOKEN}{end}"
    return answer


_TOKEN = "sandbox-page-"  # noqa: S105 - a page token opens nothing


def _start(token: str | None, total: int) -> int:
    if not token:
        return 0
    offset = token.removeprefix(_TOKEN)
    if not offset.isdecimal() or int(offset) > total:
        raise ApiError("InvalidPaginationToken", "The token is invalid")
    return int(offset)
