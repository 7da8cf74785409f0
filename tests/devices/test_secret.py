"""Hidden keys."""

from __future__ import annotations

import copy
import logging
import pickle

import pytest

from vpnmigrate.devices.secret import Secret
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
