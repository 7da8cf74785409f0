"""Answers: what arrives before and after botocore parses it.

botocore's parser quotes the whole body in its error, and an answer of EC2's may hold pre-shared
keys.  So what it raises is replaced here by an error that tells class, status and length.
"""

from __future__ import annotations

import json
import re
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from botocore.model import OperationModel

STUMBLES: Final = (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError)
"""Raised over bytes that are no answer: by botocore's parsers, or by us for want of a part.

A proxy or a log-in page that answers in AWS's place, with status 200 and well-formed, is parsed
into an answer without anything.  Taken for AWS's it would say that nothing exists.
"""


class UnreadableAnswerError(Exception):
    """An answer that botocore cannot parse; the message quotes nothing of it."""

    def __init__(self, kind: str, arrived: Arrived | None) -> None:
        text = "of unknown status and length" if arrived is None else str(arrived)
        super().__init__(f"the answer {text} cannot be parsed ({kind})")


@dataclass(frozen=True)
class Arrived:
    """What may be told of an answer that nobody could read."""

    status: int
    length: int

    def __str__(self) -> str:
        return f"with HTTP status {self.status} and {self.length} bytes"


_arrived: ContextVar[Arrived | None] = ContextVar("vpnmigrate-arrived", default=None)
"""The answer that the thread is about to parse: botocore calls its handlers in that thread."""

_XML_PROTOCOLS: Final = frozenset({"ec2", "query", "rest-xml"})
_XML_CHARACTERS: Final = (
    range(0x9, 0xB),
    range(0xD, 0xE),
    range(0x20, 0xD800),
    range(0xE000, 0xFFFE),
    range(0x10000, 0x110000),
)
"""Every code point that a document of XML 1.0 may have."""
_FORBIDDEN: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|\xef\xbf[\xbe\xbf]")
"""What UTF-8 can carry and XML cannot."""
_REFERENCE: Final = re.compile(rb"&#(?:x([0-9A-Fa-f]{1,8})|([0-9]{1,10}));")
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}".encode()


def watch_answers(client: Any) -> None:
    """Have every answer of *client* made parseable where that is safe, and never quoted."""
    service = client.meta.service_model.service_id.hyphenize()
    events = client.meta.events
    events.register(f"before-send.{service}", _forget)
    events.register(f"before-parse.{service}", _note)
    events.register(f"after-call-error.{service}", _replace)


def without_characters_xml_forbids(body: bytes) -> bytes:
    """Put U+FFFD for each control character and reference that no XML document may have.

    Anybody who may tag can write one into a name, and expat then refuses the whole answer.  No
    markup is made of them, so the document's structure stays as it is.
    """
    return _REFERENCE.sub(_allowed, _FORBIDDEN.sub(_REPLACEMENT, body))


def _allowed(found: re.Match[bytes]) -> bytes:
    code = int(found[1], 16) if found[1] else int(found[2])
    return found[0] if any(code in good for good in _XML_CHARACTERS) else _REPLACEMENT


def _forget(**_event: Any) -> None:
    _arrived.set(None)


def _note(operation_model: OperationModel, response_dict: dict[str, Any], **_event: Any) -> None:
    body = response_dict.get("body")
    if not isinstance(body, bytes):
        return
    _arrived.set(Arrived(response_dict.get("status_code", 0), len(body)))
    if operation_model.service_model.resolved_protocol in _XML_PROTOCOLS:
        response_dict["body"] = without_characters_xml_forbids(body)
    elif not _is_json(body):
        # botocore would take the whole of it for the message of a refusal.
        response_dict["body"] = b""


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


def _replace(exception: Exception, **_event: Any) -> None:
    """Raise an error without the answer's text in the place of one that may quote it."""
    from botocore.parsers import ResponseParserError

    if isinstance(exception, (ResponseParserError, *STUMBLES)):
        raise UnreadableAnswerError(type(exception).__name__, _arrived.get()) from None
