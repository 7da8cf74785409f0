"""The page of what a run does about faults and other hands, from the tables of the tests."""

from __future__ import annotations

from collections.abc import Iterable

from tests.faults import hands, verdicts

GROUPS = (
    ("On the way", verdicts.COLUMNS[:8]),
    ("Late, or out of date", verdicts.COLUMNS[8:11]),
    ("Refused", verdicts.COLUMNS[11:16]),
    ("Not allowed", verdicts.COLUMNS[16:]),
)
ABOUT = {
    "in a run": "From step 1's first look on, on any leg: there, back, and to finalize.",
    "before step 7": "The last wide look before the outage, of what only planning and drift need.",
    "setting out": "The first look of a run that has begun nothing: whoever types is told at once.",
}


def page() -> str:
    """Return the whole page."""
    return "\n".join([*_intro(), *_faults(), *_impossible(), *_hands(), ""])


def _intro() -> Iterable[str]:
    yield "# Faults and other hands"
    yield ""
    yield "What a run does about everything that can befall every call it makes, and about what"
    yield "others do meanwhile.  Written from the tables of the tests by `make docs`; do not edit."
    yield "Each cell is tried on the production runner, in the sandbox."
    yield ""
    yield "- **carry on**: the run arrives, and nobody is asked."
    yield "- **carry on and name it**: it arrives, and its report says what was left undone."
    yield "- **hold**: nothing was begun; exit code 3."
    yield "- **stop**: it says what happened and what is true of the traffic; exit code 1 while"
    yield "  traffic flows, 5 while it does not."
    yield ""
    yield "Where two verdicts stand in a cell, the first is for a trouble that passes, the second"
    yield "for one that stays.  After a hold or a stop, the next command that is printed ends where"
    yield "an undisturbed run ends: nothing is made twice and nothing is left behind."
    yield ""


def _faults() -> Iterable[str]:
    for occasion, about in ABOUT.items():
        mine = [cell for cell in verdicts.cells() if cell.occasion == occasion]
        rows = list(dict.fromkeys(cell.operation for cell in mine))
        found = {(cell.operation, cell.trouble): cell for cell in mine}
        yield f"## {occasion.capitalize()}"
        yield ""
        yield about
        yield ""
        for title, columns in GROUPS:
            yield f"### {title} ({occasion})"
            yield ""
            yield from _table(
                ("call", *columns),
                (
                    (f"`{row}`", *(_verdict(found[row, column]) for column in columns))
                    for row in rows
                ),
            )
            yield ""


def _verdict(cell: verdicts.Cell) -> str:
    if not cell.occurs:
        return "-"
    return cell.passes if cell.passes == cell.stays else f"{cell.passes}; {cell.stays}"


def _impossible() -> Iterable[str]:
    yield "## What cannot occur"
    yield ""
    yield "A `-` above has its reason here."
    yield ""
    yield from _table(("trouble", "why not for that call"), sorted(verdicts.CANNOT.items()))
    yield ""


def _hands() -> Iterable[str]:
    yield "## Other hands"
    yield ""
    yield "A deed at a boundary, and what the next process does.  Before step 7 it is refused;"
    yield "later it is left alone or put right, named either way, and the rest is finished."
    yield "`-`: AWS lets nobody do that there, or there is nothing yet to do it to."
    yield ""
    places = {
        "After this step, going on": [str(step) for step in range(11)],
        "After this step, turning back": ["6<", "7<", "8<", "9<", "10<"],
        "On the way back": ["b7", "b8", "b9", "b10", "bc6", "bc3"],
    }
    found = {(call, place): letter for call, place, letter in hands.cells()}
    for title, columns in places.items():
        yield f"### {title}"
        yield ""
        yield from _table(
            ("deed", *(_place(column) for column in columns)),
            (
                (call, *(hands.WORDS.get(found[call, column], "-") for column in columns))
                for call in hands.DEEDS
            ),
        )
        yield ""


def _place(column: str) -> str:
    return column.strip("<").replace("bc", "clean-up ").removeprefix("b")


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterable[str]:
    head = tuple(head)
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
