"""A shell passes the words of a printed command unchanged."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pasting.shells import SHELLS, Pasted
from vpnmigrate.model.errors.commands import (
    Command,
    Invocation,
    aws,
    cli,
    one_line,
    option,
    options,
)
from vpnmigrate.report import text as report_text

HOSTILE = (
    "it's 5 o'clock",
    'say "no"',
    "$(touch PWNED)",
    "`touch PWNED`",
    "ann@desk/7; touch PWNED #",
    "a\nb",
    "a\r\tb\x1b[2J\x00"[:-1],
    "two  blanks and  more",
    " leading and trailing ",
    "~/plan.json",
    "~root",
    "-leading-dash",
    "--yes",
    "#comment",
    "wow!! !$ !1",
    "don't!\n!!",
    "=ls",
    "=",
    "a=b",
    "*?[a]{b,c}",
    "a&&b||c|d>e<f",
    "\\",
    "a\\nb\\",
    "$HOME ${HOME} $'x'",
    "Nachtwache bestätigt, 夜 🌙",
    "\u202eevil\u2066",
    "a\u2028b\u00a0c\u0085",
    "",
    "%1 ^a^b^",
    "\udcff not UTF-8",
    "x" * 300,
    " ".join(["by telephone to the board"] * 12),
)


@pytest.fixture(params=sorted(SHELLS))
def terminal(request, tmp_path):
    return Pasted(request.param, tmp_path)


@pytest.mark.parametrize("word", HOSTILE)
def test_a_word_arrives_unchanged_however_it_is_shown(terminal, word):
    """A word is unchanged on one line, folded, in prose, or before another command."""
    command = cli("apply", word, *option("--reason", word), *options("--force", ("clock", word)))
    chained = command.and_then(cli("status", word))

    shown = [
        str(command),
        report_text.command(command),
        report_text.advised(("do it:", command)).partition("\n")[2],
        report_text.command(chained, first="  next:     ").partition(":")[2],
        report_text.Labelled("  to do: ", command).folded().partition(":")[2],
        "\n".join(report_text.Labelled("", command).lines(40)),
    ]

    for text in shown:
        ran = terminal.paste(text)
        assert ran[0] == command.words
        assert ran[1:] in ([], [("vpnmigrate", "status", word)])


def test_variables_hold_for_their_command_alone(terminal):
    """An assignment is quoted, and is only in the environment of its command."""
    command = Command(("vpnmigrate", "apply"), variables=(("AWS_CONFIG_FILE", "/a b/$(c)"),))

    assert terminal.paste(f"{report_text.command(command)}\nvpnmigrate status") == [
        ("vpnmigrate", "apply"),
        ("vpnmigrate", "status"),
    ]
    assert terminal.environment == ["AWS_CONFIG_FILE=/a b/$(c)"]


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))))
def test_one_line_is_read_by_shlex_too(texts):
    """The quoting is POSIX, so a program that reads ``next`` can split it with shlex."""
    command = cli("apply", *texts)

    if all(text.isprintable() for text in texts):
        assert tuple(shlex.split(str(command))) == command.words
    assert "\n" not in str(command)
    assert str(command).isprintable()


@given(st.lists(st.text(min_size=1).filter(str.isprintable)), st.integers(0, 30))
@settings(max_examples=200)
def test_lines_are_folded_between_words_only(texts, indent):
    """Every line consists of whole tokens, and is too long only for a single word."""
    command = cli("apply", *options("--reason", texts))

    lines = report_text.command(command, first=" " * indent).split(" \\\n")

    assert [token for line in lines for token in shlex.split(line)] == list(command.words)
    for line in lines:
        assert len(line) + 2 <= report_text.WIDTH or len(shlex.split(line)) == 1


def test_an_option_stays_with_its_value_where_both_fit():
    """A value stays on the line of its option if both fit."""
    command = cli("finalize", "m-1", *options("--confirm", (f"vpn-{n:017}" for n in range(9))))

    assert not any(
        line.rstrip(" \\").endswith("--confirm")
        for line in report_text.command(command).splitlines()
    )


CONFIG, PROD, SERVER = (
    "AWS_CONFIG_FILE=/c",
    "--profile prod",
    "--endpoint-url http://127.0.0.1:1",
)


class TestInvocation:
    GIVEN = Invocation(
        run_dir="/r",
        profile="prod",
        region="eu-west-1",
        endpoint_url="http://127.0.0.1:1",
        variables=(("AWS_CONFIG_FILE", "/c"),),
    )

    @pytest.mark.parametrize(
        ("command", "line"),
        [
            (
                cli("apply", "m-1"),
                f"{CONFIG} vpnmigrate apply m-1 --run-dir /r {PROD} --region eu-west-1 {SERVER}",
            ),
            (cli("status", "m-1"), "vpnmigrate status m-1 --run-dir /r"),
            (cli("demo"), "vpnmigrate demo"),
            (cli("plan", "--help"), "vpnmigrate plan --help"),
            (cli("report", "verify", "x.tar"), "vpnmigrate report verify x.tar"),
            (
                aws("ec2", "describe-tags"),
                f"{CONFIG} aws ec2 describe-tags {PROD} --region eu-west-1 {SERVER}",
            ),
            (
                cli("apply", "m-1", "--region", "us-east-1", "--run-dir=/e"),
                f"{CONFIG} vpnmigrate apply m-1 --region us-east-1 --run-dir=/e {PROD} {SERVER}",
            ),
            (
                cli("done", "m-1", "5").and_then(cli("status", "m-1")),
                "vpnmigrate done m-1 5 --run-dir /r && vpnmigrate status m-1 --run-dir /r",
            ),
        ],
    )
    def test_a_command_gets_the_options_that_it_takes(self, command, line):
        """The options for run, account, Region and server are repeated, and no others."""
        assert str(self.GIVEN.complete(command)) == line

    def test_completing_twice_adds_nothing(self):
        """A complete command is unchanged."""
        once = self.GIVEN.complete(cli("apply", "m-1"))

        assert self.GIVEN.complete(once) == once

    def test_prose_is_left_alone(self):
        """Only commands are completed."""
        found = self.GIVEN.advise(("look:", cli("status")))

        assert one_line(found) == "look: vpnmigrate status --run-dir /r"
