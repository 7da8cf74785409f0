"""Help at a prompt: what each answer to an open question does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from vpnmigrate.engine.ports import DeadlineChoice, InterruptChoice
from vpnmigrate.model.errors.commands import Command
from vpnmigrate.model.proposed_change import StepChoice
from vpnmigrate.report.text import command, wrapped

ASKS_FOR_HELP: Final = frozenset({"?", "help"})

DONE: Final = ("done",)
TEST: Final = ("again", "done")
YES_OR_NO: Final = ("yes", "no")
YES: Final = ("y", "yes")
AGREES: Final = (*YES, "n", "no")

_MEANINGS: Final[Mapping[tuple[str, ...], Mapping[str, str]]] = {
    DONE: {"done": "the task above is done at every device; the run continues and checks it"},
    TEST: {"again": "run the test again", "done": "continue without the test"},
    AGREES: {
        "y": "interrupt traffic now",
        "n": "interrupt nothing; the process ends, and the run can be resumed (default)",
    },
    YES_OR_NO: {
        "yes": "this run has created it; it is used, and a rollback deletes it",
        "no": "this run has not created it; it is left alone",
    },
    tuple(DeadlineChoice): {
        DeadlineChoice.ROLL_BACK: "return to the old gateway",
        DeadlineChoice.GO_ON: "continue past the back-out deadline",
    },
    tuple(InterruptChoice): {
        InterruptChoice.RESUME: "continue (default)",
        InterruptChoice.ROLL_BACK: "return to the old gateway",
        InterruptChoice.STOP: "end this process; traffic stays down",
    },
    tuple(StepChoice): {
        StepChoice.RUN: "send this change",
        StepChoice.WAIT: "send nothing yet; you are asked again",
        StepChoice.ROLL_BACK: "undo what was changed, in reverse order",
    },
}
"""What each answer does, by all answers to its question."""


def help_lines(questions: Iterable[tuple[str, ...]], observe: Command | None) -> Iterator[str]:
    """Yield what can be typed for the open *questions*; *observe* shows the run elsewhere."""
    for known in questions:
        meanings = meanings_of(known)
        width = max(map(len, meanings))
        for word, meaning in meanings.items():
            yield wrapped(meaning, first=f"      {word:<{width}}  ")
    if observe is not None:
        yield command(observe, first="    in another terminal: ")


def meanings_of(known: tuple[str, ...]) -> dict[str, str]:
    """Return the effect of each answer in *known*; a question may offer only some of them."""
    every = _MEANINGS.get(known)
    if every is None:
        every = next(found for all_, found in _MEANINGS.items() if set(known) <= set(all_))
    return {word: every[word] for word in known if word in every}
