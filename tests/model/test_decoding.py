"""A decoder's error has the place, and not the value."""

from __future__ import annotations

from enum import StrEnum

import msgspec
import pytest

from vpnmigrate.model.decoding import fault_of

KEY = "Canary.0123456789_zZ"


class _Choice(StrEnum):
    ONE = "one"


class _Chosen(msgspec.Struct):
    a: _Choice


def test_a_value_that_a_decoder_quotes_is_left_out():
    """The message has the place."""
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert({"a": KEY}, _Chosen)

    assert KEY in str(caught.value)
    assert fault_of(caught.value) == "Invalid enum value - at `$.a`"


def test_bytes_that_are_no_text_are_not_quoted():
    """Python's own error message would contain the bytes."""
    with pytest.raises(UnicodeDecodeError) as caught:
        b"\xff".decode()

    assert fault_of(caught.value) == "not text in UTF-8"
