"""The page on faults and external changes, from the tables of the tests."""

from __future__ import annotations

from collections.abc import Iterable

from tests.faults import hands, verdicts

GROUPS = (
    ("In transit", verdicts.COLUMNS[:8]),
    ("Slow or stale", verdicts.COLUMNS[8:11]),
    ("Refused", verdicts.COLUMNS[11:16]),
    ("Not allowed", verdicts.COLUMNS[16:]),
)
ABOUT = {
    "in a run": "From the first observation of step 1 on: forward, rollback and finalize.",
    "before step 7": "The last survey before the outage, of what only planning and drift need.",
    "at the start": "The first observation of a new run: an error ends the run at once.",
}


def page() -> str:
    """Return the whole page."""
    return "\n".join([*_intro(), *_faults(), *_impossible(), *_hands(), ""])


def _intro() -> Iterable[str]:
    yield "# Faults and external changes"
    yield ""
    yield "How a run handles every error that each AWS call can return, and every change that is"
    yield "made outside the run.  Written from the tables of the tests by `make docs`; do not edit."
    yield "Each cell is tested with the production runner, in the sandbox."
    yield ""
    yield "- **continue**: the run finishes, and asks no operator."
    yield "- **continue and name it**: the run finishes, and its report says what was left undone."
    yield "- **leave**: the run does the rest, and lists what AWS did not remove; exit code 1."
    yield "- **hold**: nothing was started; exit code 3."
    yield "- **stop**: the message says what happened and whether traffic flows; exit code 1 while"
    yield "  traffic flows, 5 while it is down, or while a change of one table is missing."
    yield ""
    yield "If a cell has two results, the first is for a fault that passes, the second for one that"
    yield "stays.  After leave, hold and stop, the next command that is printed ends as a run that"
    yield "was not disturbed: nothing is created twice and nothing is left behind."
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
    yield "## Faults that cannot occur"
    yield ""
    yield "The reason for each `-` above."
    yield ""
    yield from _table(("fault", "why that call cannot have it"), sorted(verdicts.CANNOT.items()))
    yield ""


def _hands() -> Iterable[str]:
    yield "## External changes"
    yield ""
    yield "An external change after a step, and how the next process handles it.  Before step 7 the"
    yield "run is refused; later the change is kept or corrected, and named in both cases, and the"
    yield "run finishes."
    yield "`-`: AWS does not allow the change there, or the resource does not exist yet."
    yield ""
    places = {
        "After this step, forward": [str(step) for step in range(11)],
        "After this step, before a rollback": ["6<", "7<", "8<", "9<", "10<"],
        "After this step of the rollback": ["b7", "b8", "b9", "b10", "bc6", "bc3"],
    }
    found = {(call, place): letter for call, place, letter in hands.cells()}
    for title, columns in places.items():
        yield f"### {title}"
        yield ""
        yield from _table(
            ("change", *(_place(column) for column in columns)),
            (
                (call, *(hands.WORDS.get(found[call, column], "-") for column in columns))
                for call in hands.CHANGES
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
