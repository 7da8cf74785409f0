"""Hidden keys."""

from __future__ import annotations

import copy
import logging
import pickle

import pytest

from vpnmigrate.devices.secret import Secret, keys_in
from vpnmigrate.model.redaction import HIDDEN

KEY = "very.secret_1"


def test_it_shows_itself_only_when_asked():
    """Printing a key does not show it; ``reveal`` does."""
    secret = Secret(KEY)

    assert {repr(secret), str(secret), f"{secret}", "%s" % secret} == {HIDDEN}  # noqa: UP031
    assert secret.reveal() == KEY


def test_it_cannot_be_pickled():
    """A key cannot be pickled."""
    with pytest.raises(TypeError) as caught:
        pickle.dumps(Secret(KEY))
    with pytest.raises(TypeError):
        copy.copy(Secret(KEY))
    assert KEY not in str(caught.value)


def test_it_is_removed_from_other_texts():
    """A text that quotes the key is returned without it."""
    assert Secret(KEY).hidden_in(f"Value ({KEY}) is invalid") == f"Value ({HIDDEN}) is invalid"


def test_equal_keys_are_equal():
    """Two secrets are equal when their keys are, so that configurations can be compared."""
    assert {Secret(KEY), Secret(KEY)} == {Secret(KEY)}
    assert Secret(KEY) != Secret("other")
    assert Secret(KEY) != KEY


def test_it_does_not_reach_a_log(caplog):
    """A logged key is hidden."""
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("test").warning("key %s %r", Secret(KEY), {"key": Secret(KEY)})

    assert KEY not in caplog.text


@pytest.mark.parametrize("part", [KEY[:-2], KEY[2:], KEY[:8], KEY[-8:]])
def test_a_part_of_a_key_is_hidden(part: str) -> None:
    """A message may have been cut in the middle of a key, or may quote a part of it."""
    assert (
        Secret(KEY).hidden_in(f"Value ({part}...) is invalid") == f"Value ({HIDDEN}...) is invalid"
    )


@pytest.mark.parametrize("length", range(8, 19))
def test_every_part_of_a_key_of_any_length_is_hidden(length: int) -> None:
    """Wherever a part begins and ends in the key, and wherever it stands in the text."""
    key = "Qa_zW1sxEd2cRf.vTg"[:length]
    shown = {
        part
        for start in range(length)
        for end in range(start + 8, length + 1)
        for part in [key[start:end]]
        if Secret(key).hidden_in(f"{part}?") != f"{HIDDEN}?"
        or Secret(key).hidden_in(f"no {part}") != f"no {HIDDEN}"
    }

    assert shown == set()


def test_a_short_key_is_hidden_as_a_whole() -> None:
    """EC2 makes none; a device file may have one."""
    assert Secret("K_1").hidden_in("K_1 and K_") == f"{HIDDEN} and K_"


def test_a_short_coincidence_stays() -> None:
    """Fewer characters than the shortest key give nothing away."""
    text = f"Value ({KEY[:7]}) is invalid"

    assert Secret(KEY).hidden_in(text) == text


@pytest.mark.parametrize(
    "element",
    [
        "<pre_shared_key>{}</pre_shared_key>",
        "<pre_shared_key>\n  {}\n</pre_shared_key>",
        '<pre_shared_key xmlns="urn:aws">{}</pre_shared_key>',
        "<a:pre_shared_key>{}</a:pre_shared_key>",
        "<pre_shared_key><!-- the key -->{}</pre_shared_key>",
        "<pre_shared_key><![CDATA[{}]]></pre_shared_key>",
        "<pre_shared_key> <![CDATA[ {} ]]> </pre_shared_key>",
    ],
)
def test_a_key_is_found_in_every_form_of_its_element(element: str) -> None:
    """What the parser of configurations reads as a key is also learned as one."""
    assert keys_in(element.format("new.Key_9")) == {Secret("new.Key_9")}
