"""Names in messages about a fleet: workers, and the first of a long list.

The id of a worker is its name with a unique part.  So two workers with the same name have a row
each, and a worker that was suspended and replaced does not share the row of the new one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence


def worker_id(name: str, own: str) -> str:
    """Return the id of a worker called *name*; no other worker has its *own* part."""
    return f"{name}/{own}"


def name_of(worker: str) -> str:
    """Return the name in the id of a *worker*."""
    return worker.rpartition("/")[0] or worker


def shown_workers(ids: Iterable[str]) -> dict[str, str]:
    """Return what people read for each of *ids*: its name, or the id if several have that name."""
    known = set(ids)
    number = Counter(map(name_of, known))
    return {each: each if number[name_of(each)] > 1 else name_of(each) for each in known}


def first_of(items: Sequence[str], most: int, separator: str = ", ") -> str:
    """Return the first *most* of *items* as text, with dots if there are more."""
    rest = ("...",) if len(items) > most else ()
    return separator.join((*items[:most], *rest))
