"""What gates advise, with the names of this run in it, so that it can be pasted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from vpnmigrate.commands import Advice, Command
from vpnmigrate.model.gates import Seen


def ready_to_paste(gates: Iterable[Seen], *, run: str, plan_file: str) -> tuple[Seen, ...]:
    """Put *run* and *plan_file* where the advice of a gate says RUN and PLAN."""
    names = {"RUN": run, "PLAN": plan_file}
    return tuple(replace(seen, advice=_named(seen.advice, names)) for seen in gates)


def _named(advice: Advice, names: Mapping[str, str]) -> Advice:
    match advice:
        case str():
            return advice
        case Command():
            return _with_names(advice, names)
        case _:
            return tuple(p if isinstance(p, str) else _with_names(p, names) for p in advice)


def _with_names(command: Command, names: Mapping[str, str]) -> Command:
    return Command(tuple(names.get(word, word) for word in command.words))
