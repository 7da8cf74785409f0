"""Keys are removed from text in any format, and nothing else is."""

from __future__ import annotations

import html
import json
from concurrent.futures import ThreadPoolExecutor
from random import Random
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpnmigrate.devices.secret import Secret
from vpnmigrate.model.redaction import HIDDEN, Redaction, mapped, without_key_elements
from vpnmigrate.report.runbook.aws_cli.shell_functions import KEYS

KEY = "Canary.0123456789_zZ"
ELEMENT = f"<ike>\n <pre_shared_key>{KEY}</pre_shared_key>\n</ike>"
OPTIONS = f"<tunnelOptionSet><item><preSharedKey>{KEY}</preSharedKey></item></tunnelOptionSet>"
CARRIERS = {
    "XML": ELEMENT,
    "XML of the API": OPTIONS,
    "XML with a name space": f"<v:pre_shared_key>{KEY}</v:pre_shared_key>",
    "XML with an attribute": f'<pre_shared_key kind="x">{KEY}</pre_shared_key>',
    "XML with blanks": f"<pre_shared_key >\n{KEY}\n</pre_shared_key>",
    "escaped": html.escape(ELEMENT),
    "escaped twice": html.escape(html.escape(ELEMENT)),
    "by number": ELEMENT.replace("<", "&#60;").replace(">", "&#x3E;"),
    "in JSON": json.dumps({"body": ELEMENT}),
    "in JSON for HTML": json.dumps({"body": ELEMENT})
    .replace("<", "\\u003c")
    .replace(">", "\\u003e"),
    "in Python": repr(ELEMENT.encode()),
    "in an address": quote(ELEMENT),
    "JSON": json.dumps({"TunnelOptions": [{"PreSharedKey": KEY, "Other": 1}]}),
    "JSON in JSON": json.dumps(json.dumps({"PreSharedKey": KEY})),
    "JSON in HTML": html.escape(json.dumps({"PreSharedKey": KEY})),
    "Python": repr({"PreSharedKey": KEY}),
    "YAML": f"pre_shared_key: {KEY}\n",
    "a form": f"Action=X&Options.TunnelOptions.1.PreSharedKey={KEY}&Version=1",
    "no start tag": f"{KEY}</pre_shared_key>",
    "half a start tag": f"shared_key>{KEY}</pre_shared_key>",
    "half a start tag, no end": f"red_key>{KEY}",
}


@pytest.mark.parametrize("letters", ["\N{KELVIN SIGN}S", "K\N{LATIN SMALL LETTER LONG S}", "ks"])
def test_a_name_in_letters_of_any_case_is_found(letters):
    """The Kelvin sign and the long s are letters of another case, as regular expressions see it."""
    k, s = letters
    for name in (f"pre-{s}hared-{k}ey", f"PRE{s}HARED{k}EY", f"Pre Shared {k}ey"):
        assert KEY not in without_key_elements(f"{name}: {KEY}")


@pytest.mark.parametrize("text", CARRIERS.values(), ids=CARRIERS)
class TestCarriers:
    def test_the_key_is_cut(self, text):
        """Redaction is idempotent, since text passes it several times."""
        cut = without_key_elements(text)

        assert KEY not in cut
        assert HIDDEN in cut
        assert without_key_elements(cut) == cut

    def test_the_key_is_cut_wherever_the_text_ends(self, text):
        """An element without an end tag is removed to the end of the text."""
        if "</" in text and "<" not in text.partition(KEY)[0]:
            return  # Without its end tag nothing shows that it was a key.
        start = text.index(KEY)
        for length in range(1, len(KEY) + 1):
            cut = without_key_elements(text[: start + length])
            assert text[start : start + length] not in cut.removesuffix(HIDDEN) or length < 4


def test_what_surrounds_an_element_stays():
    """Only the key is missing."""
    assert without_key_elements(ELEMENT) == ELEMENT.replace(KEY, HIDDEN)
    assert without_key_elements(OPTIONS) == OPTIONS.replace(KEY, HIDDEN)


@pytest.mark.parametrize(
    "text",
    [
        "the candidate with the pre-shared keys is loaded",
        "<td>key</td><th>pre-shared key</th>",
        "PreSharedKeyArn: arn:aws:secretsmanager:eu-west-1:1:secret:x",
        "keys: new, PreSharedKey is not given",
        '{"waiting_for": "step 8 (attach)", "keys": "reuse"}',
        "",
    ],
)
def test_other_text_stays_as_it_is(text):
    """Text without the value of a key is not changed."""
    assert without_key_elements(text) == text


PIECES = ("<", ">", "/", "&lt;", "&amp;gt;", "pre_shared_key", "PreSharedKey", "_key", '"', '\\"')
PARTS = st.sampled_from((*PIECES, ": ", "=", " ", "\n", KEY, HIDDEN, "\\u003c", "%3E"))


@given(st.lists(PARTS, max_size=12).map("".join) | st.text(max_size=200))
def test_any_text_is_cut_once(text):
    """It works on any text, and a second time changes nothing."""
    cut = without_key_elements(text)

    assert without_key_elements(cut) == cut


def test_long_text_takes_no_time():
    """A hostile answer cannot make redaction slow."""
    for text in ("<pre_shared_key " * 20_000, "key>" * 50_000, "&amp;" * 50_000, "\\" * 100_000):
        without_key_elements(text)


def test_keys_that_were_learnt_are_cut_without_any_element():
    """A hook may print a key of the vault unmarked."""
    redaction = Redaction()
    redaction.learn([Secret(KEY)])

    assert redaction.text(f"psk is {KEY}.") == f"psk is {HIDDEN}."
    assert redaction.value({"a": [KEY, {"b": f"x{KEY}"}], "n": 1}) == {
        "a": [HIDDEN, {"b": f"x{HIDDEN}"}],
        "n": 1,
    }


def test_a_key_is_cut_among_thousands_as_alone():
    """A worker knows the keys of all its runs; a text may have any part that EC2 would accept."""
    draw = Random(20261129)
    letters = "".join(map(chr, range(ord("A"), ord("z"))))
    keys = ["7_" + "".join(draw.choices(letters, k=draw.randint(6, 62))) for _ in range(2000)]
    keys += ["\N{GREEK SMALL LETTER ALPHA}b", "x-y", "paßword!"]
    every = Redaction(map(Secret, keys))
    for key in (*draw.sample(keys, 200), *keys[-3:]):
        start = draw.randint(0, max(0, len(key) - 8))
        part = key[start : start + draw.randint(8, 64)]
        text = f"error near '{part}': see {key[:1]}, retry"

        cut = every.text(text)

        assert cut == f"error near '{HIDDEN}': see {key[:1]}, retry"
        assert cut == Redaction([Secret(key)]).text(text)


def test_keys_that_are_learned_at_the_same_time_are_all_cut():
    """Each session of a worker has a thread, and learns the keys of its run."""
    redaction = Redaction()
    keys = [f"{number:04d}-x{number:04d}" for number in range(400)]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: redaction.learn([Secret(key)]), keys))

    assert redaction.text(" ".join(keys)) == " ".join([HIDDEN] * 400)


@pytest.mark.parametrize("word", ["available", "a100000000000001", "10.20.30.40", "IncorrectState"])
def test_a_key_that_is_a_plain_word_alters_no_state_id_or_code(word):
    """A key that is a plain word does not change what is journaled."""
    redaction = Redaction([Secret(word)])

    assert redaction.text(f"state {word}") == f"state {word}"
    assert word not in redaction.text(f"<pre_shared_key>{word}</pre_shared_key>")


def test_a_member_that_is_named_so_is_blanked_whatever_it_holds():
    """In plain data a key is recognized by the name of its field."""
    assert mapped({"PreSharedKey": "two words", "other": "x"}, str) == {
        "PreSharedKey": HIDDEN,
        "other": "x",
    }


def test_a_shell_variable_is_no_key():
    """The runbook's JSON names the variable that holds a key; a key itself is still cut."""
    template = '{"PreSharedKey": "$KEY_1"}'

    assert without_key_elements(template) == template
    assert "CANARY" not in without_key_elements('{"PreSharedKey": "$KEY_1CANARY"}')
    assert "CANARY" not in without_key_elements('{"PreSharedKey": "CANARY"}')


def test_the_runbooks_key_reader_is_left_whole():
    """The shell function that reads old keys is not changed by redaction."""
    assert without_key_elements(KEYS) == KEYS
