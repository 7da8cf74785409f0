"""IAM policies as the sandbox enforces them: statements, conditions, and the decision.

A policy with an element that is not enforced here is refused as a whole, by the element's name:
to ignore a condition would allow more than IAM does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from msgspec import Struct

from vpnmigrate.model.errors import MalformedFileError

VERSION: Final = "2012-10-17"

ALLOW: Final = "Allow"

DENY: Final = "Deny"

Context = Mapping[str, tuple[str, ...]]
"""Condition key, in lower case, to its values; a key that a call lacks is absent."""

Test = Callable[[tuple[str, ...] | None, Sequence[str]], bool]
"""Whether the values of a key (None: absent) meet the values of a condition."""


class AuthorizedAction(Struct, frozen=True):
    """An action on one resource, as IAM decides it."""

    action: str
    resource: str
    """Its ARN, or ``*`` for an action without a type of resource."""
    context: Context = {}


class Denial(Struct, frozen=True):
    """Why an action is refused."""

    action: str
    resource: str
    explicit: bool
    """Whether a statement denies it; otherwise none allows it."""


class PolicyStatement(Struct, frozen=True):
    """A statement: what it allows or denies, on which resources, under which conditions."""

    effect: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    """Operator, key in lower case, and values."""

    def applies(self, asked: AuthorizedAction) -> bool:
        """Return whether the statement is about *asked*."""
        return (
            any(wildcard(each.lower()).fullmatch(asked.action.lower()) for each in self.actions)
            and any(wildcard(each).fullmatch(asked.resource) for each in self.resources)
            and all(
                OPERATORS[operator](asked.context.get(key), values)
                for operator, key, values in self.conditions
            )
        )


class Policy(Struct, frozen=True):
    """The statements of a policy; what none of them allows is refused."""

    statements: tuple[PolicyStatement, ...] = ()

    def denial(self, asked: Iterable[AuthorizedAction]) -> Denial | None:
        """Return the first of *asked* that is refused, or None if all are allowed."""
        for each in asked:
            effects = {s.effect for s in self.statements if s.applies(each)}
            if DENY in effects or ALLOW not in effects:
                return Denial(each.action, each.resource, explicit=DENY in effects)
        return None


@lru_cache(maxsize=1024)
def wildcard(text: str) -> re.Pattern[str]:
    """Return *text* as a pattern in which ``*`` is any text and ``?`` any character."""
    parts = (".*" if part == "*" else "." if part == "?" else re.escape(part) for part in text)
    return re.compile("".join(parts), re.DOTALL)


def _like(values: tuple[str, ...] | None, wanted: Sequence[str]) -> bool:
    return values is not None and all(
        any(wildcard(each).fullmatch(value) for each in wanted) for value in values
    )


def _equals(values: tuple[str, ...] | None, wanted: Sequence[str]) -> bool:
    return values is not None and all(value in wanted for value in values)


OPERATORS: Final[Mapping[str, Test]] = {
    "ArnEquals": _like,
    "ArnLike": _like,
    "ArnNotEquals": lambda values, wanted: not _like(values, wanted),
    "ForAllValues:StringEquals": lambda values, wanted: values is None or _equals(values, wanted),
    "ForAllValues:StringLike": lambda values, wanted: values is None or _like(values, wanted),
    "Null": lambda values, wanted: all((each == "true") == (values is None) for each in wanted),
    "StringEquals": _equals,
    "StringLike": _like,
    "StringNotEquals": lambda values, wanted: not _equals(values, wanted),
}
"""Condition operators; with a negated one, an absent key meets the condition, as in IAM."""

KEYS: Final = re.compile(
    r"(?:aws:(?:ResourceTag|RequestTag)|ec2:ResourceTag)/.+|aws:TagKeys|ec2:CreateAction|ec2:Vpc",
    re.IGNORECASE,
)
"""Condition keys that the sandbox fills for the calls that have them in AWS."""


def policy_from(document: object, name: str) -> Policy:
    """Return the policy that *document*, the decoded JSON of the file *name*, holds.

    Raises:
        MalformedFileError: It is not a policy, or has an element that is not enforced.
    """
    fields = _object(document, name)
    _only(fields, {"Version", "Id", "Statement"}, name)
    if fields.get("Version") != VERSION:
        raise MalformedFileError(f'{name}: "Version" is not "{VERSION}"')
    written = fields.get("Statement")
    rows = written if isinstance(written, list) else [written]
    return Policy(tuple(_statement(row, f"{name}: statement {n}") for n, row in enumerate(rows, 1)))


def _statement(row: object, name: str) -> PolicyStatement:
    fields = _object(row, name)
    _only(fields, {"Sid", "Effect", "Action", "Resource", "Condition"}, name)
    effect = str(fields.get("Effect"))
    if effect not in (ALLOW, DENY):
        raise MalformedFileError(f'{name}: "Effect" is neither {ALLOW} nor {DENY}')
    return PolicyStatement(
        effect,
        _texts(fields.get("Action"), f'{name}: "Action"'),
        _texts(fields.get("Resource"), f'{name}: "Resource"'),
        tuple(
            (_operator(operator, name), _key(key, name), _texts(values, f"{name}: {key}"))
            for operator, keys in _object(fields.get("Condition", {}), name).items()
            for key, values in _object(keys, name).items()
        ),
    )


def _object(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise MalformedFileError(f"{name}: not a JSON object")
    return value


def _only(fields: Mapping[str, Any], known: set[str], name: str) -> None:
    for field in fields:
        if field not in known:
            raise MalformedFileError(f'{name}: the sandbox does not enforce "{field}"')


def _operator(operator: str, name: str) -> str:
    if operator not in OPERATORS:
        raise MalformedFileError(f'{name}: the sandbox does not enforce the operator "{operator}"')
    return operator


def _key(key: str, name: str) -> str:
    if not KEYS.fullmatch(key):
        raise MalformedFileError(f'{name}: the sandbox does not know the condition key "{key}"')
    return key.lower()


def _texts(value: object, name: str) -> tuple[str, ...]:
    written = value if isinstance(value, list) else [value]
    texts = tuple(text for text in written if isinstance(text, str))
    if not texts or len(texts) < len(written):
        raise MalformedFileError(f"{name} is not a text or a list of texts")
    if any("${" in text for text in texts):
        raise MalformedFileError(f"{name}: the sandbox does not fill in variables (${{...}})")
    return texts
