"""Answers: response bodies before and after botocore parses them.

botocore's parser quotes the whole body in its error, and an EC2 answer may contain pre-shared keys.
Its error is therefore replaced by one that has only class, status and length.
"""

from __future__ import annotations

import json
import re
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from vpnmigrate.aws.request_hooks import event_of

if TYPE_CHECKING:
    from botocore.model import OperationModel

STUMBLES: Final = (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError)
"""Errors for invalid answers: of botocore's parsers, or of this package for a missing part.

A proxy or a log-in page that answers instead of AWS with status 200 and well-formed content is
parsed into an empty answer, which would otherwise mean that no resource exists.
"""


class UnreadableAnswerError(Exception):
    """An answer that botocore cannot parse; the message does not quote it."""

    def __init__(self, kind: str, arrived: Arrived | None) -> None:
        text = "of unknown status and length" if arrived is None else str(arrived)
        super().__init__(f"the answer {text} cannot be parsed ({kind})")


@dataclass(frozen=True)
class Arrived:
    """The printable facts about an unreadable answer."""

    status: int
    length: int

    def __str__(self) -> str:
        return f"with HTTP status {self.status} and {self.length} bytes"


_arrived: ContextVar[Arrived | None] = ContextVar("vpnmigrate-arrived", default=None)
"""The answer that this thread parses; botocore calls its handlers in the same thread."""

_XML_PROTOCOLS: Final = frozenset({"ec2", "query", "rest-xml"})
_XML_CHARACTERS: Final = (
    range(0x9, 0xB),
    range(0xD, 0xE),
    range(0x20, 0xD800),
    range(0xE000, 0xFFFE),
    range(0x10000, 0x110000),
)
"""Every code point that an XML 1.0 document may contain."""
_FORBIDDEN: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|\xef\xbf[\xbe\xbf]")
"""Characters that are valid in UTF-8 and invalid in XML."""
_REFERENCE: Final = re.compile(rb"&#(?:x([0-9A-Fa-f]{1,8})|([0-9]{1,10}));")
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}".encode()


def watch_answers(client: Any) -> None:
    """Register handlers that make answers of *client* parseable and never quote them."""
    events = client.meta.events
    events.register(event_of(client, "before-send"), _forget)
    events.register(event_of(client, "before-parse"), _note)
    events.register(event_of(client, "after-call-error"), _replace)


def without_characters_xml_forbids(body: bytes) -> bytes:
    """Return *body* with U+FFFD for each character and reference that XML forbids.

    Any user who may tag can write one into a name, and expat then refuses the whole answer.  They
    are never markup, so the structure of the document does not change.
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
    elif "json" in operation_model.service_model.resolved_protocol and not _is_json(body):
        # botocore would use the whole body as the message of an error.
        response_dict["body"] = b""


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


def _replace(exception: Exception, **_event: Any) -> None:
    """Raise an error without the answer's text instead of one that may quote it."""
    from botocore.parsers import ResponseParserError

    if isinstance(exception, (ResponseParserError, *STUMBLES)):
        raise UnreadableAnswerError(type(exception).__name__, _arrived.get()) from None
