"""Command reference, generated from the program."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from vpnmigrate.cli.app import NAME, app
from vpnmigrate.model.errors import Exit

EXITS = {
    Exit.DONE: "done",
    Exit.FAILED: "failed",
    Exit.USAGE: "usage: the command line, a file's text, an unknown id, no credentials",
    Exit.HELD: "held at a gate, or waiting for an operator",
    Exit.REFUSED: "refused, nothing changed: preflight, drift, an edited plan, another account, "
    "a claim or lock of another operator",
    Exit.STUCK: "stuck: traffic is down, or AWS did not make a change; an operator must act now",
    Exit.NOTHING_TO_MIGRATE: "nothing to migrate",
    Exit.INTERRUPTED: "interrupted by a signal; the run resumes",
}


_OUTPUT = (
    "Results go to standard output, messages and progress to standard error. "
    "With `--json` a command prints one JSON document on standard output and nothing else; "
    "when it fails, that document has an `error` with `id`, `what`, `where` and `next`; "
    "[errors](errors.md) explains each id."
)

_COMPLETION = (
    "The tab key completes commands, options and the ids of runs. For bash, put this into "
    "`~/.bashrc`; for zsh and fish, replace `bash` with their names.\n\n"
    "```bash\n"
    f'eval "$(_{NAME.upper()}_COMPLETE=source_bash {NAME})"\n'
    "```"
)


def markdown() -> str:
    """Return the page ``docs/reference/cli.md``."""
    parts = [
        "# Command reference",
        "Generated from the program by `make docs`; do not edit.",
        _OUTPUT,
        "## Exit codes",
        _exit_codes(),
        "## Completion",
        _COMPLETION,
    ]
    for path, command in _leaves(typer.main.get_command(app), NAME):
        parts += [f"## {path}", f"```text\n{_help(command, path)}\n```"]
    return "\n\n".join(parts) + "\n"


def _exit_codes() -> str:
    rows = [f"| {code.value} | {meaning} |" for code, meaning in sorted(EXITS.items())]
    return "\n".join(["| code | meaning |", "| --- | --- |", *rows])


def _leaves(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield every command that is not a group, with its full name, in the order of ``--help``."""
    commands = getattr(command, "commands", None)
    if not commands:
        yield path, command
        return
    for name, child in commands.items():
        yield from _leaves(child, f"{path} {name}")


def _help(command: Any, path: str) -> str:
    context = command.make_context(path, [], resilient_parsing=True)
    text: str = command.get_help(context)
    return "\n".join(line.rstrip() for line in text.splitlines())
