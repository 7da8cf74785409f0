"""Ask the tests about mutants of runner, journal, steps and gates: ``make mutate SAMPLE=300``.

    mutate.py                           every mutant that was not tried yet
    mutate.py --sample 300              those among the first 300 of an order drawn from --seed
    mutate.py --again --enough 600      those that survived, with more of the tests
    mutate.py --show                    what survived, and the score; tries nothing

Results lie in `.mutation` and count for as long as the mutated file stays as it is: a run that was
ended goes on, and so does a later one with a larger sample.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate

from mutant_tests import Suite, Test, Verdict, preload, try_out
from mutants import ROOT, Key, Mutant, mutants_of

PACKAGE = ROOT / "vpnmigrate"
ROOMS = {
    "steps": ("steps/*.py",),
    "journal": ("journal/*.py", "local/journal_file.py"),
    "gates": ("engine/gates/*.py", "model/gates.py"),
    "runner": (
        *(
            "engine/runner.py",
            "engine/preconditions.py",
            "engine/cutover.py",
            "engine/step_loop.py",
        ),
        *("engine/execute.py", "engine/observe.py", "model/consistency.py", "engine/retries.py"),
    ),
}
TESTS = (
    *("steps", "journal", "engine", "model", "cases", "report", "faults"),
    *("rehearsal/test_trials.py", "rehearsal/test_rehearse.py"),
    *("planning/test_planner.py", "planning/test_plans_come_true.py", "planning/test_drift.py"),
    *("planning/test_prediction.py", "planning/test_rollback_proof.py"),
    *("local/test_inbox.py", "local/test_hooks.py", "cli/test_hooks.py"),
    "local/test_journal_*.py",
    *("cli/test_degraded.py", "cli/test_approvals.py", "cli/test_gates.py"),
    "cli/test_lost_journal.py",
)
"""Quick ones that stay in their process: a mutant does not reach further."""

MEMORY = ROOT / ".mutation"
ENOUGH = 8.0
"""Seconds of tests after which a mutant counts as a survivor, until somebody asks again."""
NOT_PYTHON = "no other program"
"""In the place of a test: what cannot be compiled, or compiles to the same, is no mutant."""

FIRST = 25
"""Tests that are asked first, since each file of tests that is imported costs time."""

STRANGE = 3
"""How much dearer a test is that executes nothing of the mutant's file after its import."""

SURE = 1.96
"""Standard deviations of the interval around a score: 95 %."""


@dataclass(frozen=True)
class Result:
    """What is kept of a mutant that was tried."""

    path: str
    digest: str
    number: int
    definition: str
    line: str
    before: str
    after: str
    killer: str
    """The test that noticed, behind a signal's name if it had to be ended; else nothing."""
    asked: int
    left: int
    """Tests that execute it and were not asked."""
    seconds: float

    @property
    def key(self) -> Key:
        """What it is known by."""
        return self.path, self.digest, self.number

    @property
    def survived(self) -> bool:
        """Whether nobody noticed."""
        return not self.killer


def main() -> None:
    """Try mutants, and say how many of them the tests noticed."""
    asked = _asked()
    order = _drawn(asked.seed)[: asked.sample]
    known = {result.key: result for result in _remembered()}
    if not asked.show:
        _try_all([m for m in order if asked.only in f"{m.path} {m.place.definition}"], known, asked)
    _conclude([known[m.key] for m in order if m.key in known], len(order))


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sample", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", metavar="TEXT", help="in the path and definition")
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin none after that")
    parser.add_argument("--enough", type=float, default=ENOUGH, help="seconds of tests for each")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--show", action="store_true")
    return parser.parse_args()


def _targets() -> list[str]:
    patterns = [pattern for room in ROOMS.values() for pattern in room]
    return [p.relative_to(ROOT).as_posix() for x in patterns for p in sorted(PACKAGE.glob(x))]


def _test_files() -> list[str]:
    named = [path for pattern in TESTS for path in sorted((ROOT / "tests").glob(pattern))]
    files = [file for path in named for file in (sorted(path.glob("test_*.py")) or [path])]
    return [file.relative_to(ROOT).as_posix() for file in files]


def _drawn(seed: int) -> list[Mutant]:
    """Return all mutants in an order in which each has the same chance to be early."""

    def drawn(mutant: Mutant) -> bytes:
        return hashlib.sha256(f"{seed} {mutant.path} {mutant.number}".encode()).digest()

    return sorted((m for path in _targets() for m in mutants_of(path)), key=drawn)


def _remembered() -> Iterator[Result]:
    results = MEMORY / "results.jsonl"
    if results.exists():
        for line in results.read_text("utf-8").splitlines():
            yield Result(**json.loads(line))


def _try_all(
    mutants: Iterable[Mutant], known: dict[Key, Result], asked: argparse.Namespace
) -> None:
    MEMORY.mkdir(exist_ok=True)
    preload()
    suite = Suite(_test_files(), _targets(), MEMORY / "executed.json")
    _require_sound(suite)
    killers = defaultdict[str, Counter[str]](Counter)
    for result in known.values():
        killers[result.path][result.killer] += 1
    until = time.monotonic() + 60 * asked.minutes
    with (MEMORY / "results.jsonl").open("a", encoding="utf-8") as results:
        for mutant in mutants:
            before = known.get(mutant.key)
            wanted = before is None or (asked.again and before.survived)
            if wanted and time.monotonic() < until:
                result = _try(mutant, suite, killers[mutant.path], asked.enough)
                killers[mutant.path][result.killer] += 1
                known[mutant.key] = result
                results.write(json.dumps(asdict(result)) + "\n")
                results.flush()
                print(_journal_facts(result), flush=True)


def _require_sound(suite: Suite) -> None:
    """See that a file that stands in for itself, unchanged, kills nothing."""
    path = _targets()[0]
    tests = suite.of(path, (1, 1), at_import=True)
    verdict = try_out(path, (ROOT / path).read_text("utf-8"), tests[::20])
    if verdict.killer:
        raise SystemExit(f"{verdict.killer} fails without a mutant")


def _try(mutant: Mutant, suite: Suite, killers: Counter[str], enough: float) -> Result:
    place = mutant.place
    tests = suite.of(mutant.path, place.lines, at_import=place.runs_at_import)
    tests.sort(
        key=lambda test: (
            test.dear * (1 if mutant.path in test.lines else STRANGE) / (1 + killers[test.name])
        )
    )
    chosen = _affordable(tests, enough)
    verdict = Verdict(NOT_PYTHON, 0, 0)
    if mutant.is_another_program:
        verdict = try_out(mutant.path, mutant.source, chosen[:FIRST])
        if not verdict.killer:
            verdict += try_out(mutant.path, mutant.source, chosen[FIRST:])
    return Result(
        *mutant.key,
        definition=place.definition,
        line=mutant.line,
        before=mutant.before,
        after=mutant.after,
        killer=verdict.killer,
        asked=verdict.asked,
        left=len(tests) - len(chosen),
        seconds=round(verdict.seconds, 2),
    )


def _affordable(tests: Sequence[Test], enough: float) -> list[Test]:
    spent = accumulate(test.seconds for test in tests)
    return [test for test, seconds in zip(tests, spent, strict=True) if seconds <= enough]


def _journal_facts(result: Result) -> str:
    what = f"{result.path} {result.definition}: {result.line}"
    if not result.survived:
        return f"killed    {result.seconds:5.1f} s  {what}"
    change = f"    - {_flat(result.before)}\n    + {_flat(result.after)}"
    asked = f"{result.asked} tests asked, {result.left} not"
    return f"SURVIVED  {result.seconds:5.1f} s  {what}\n{change}\n    {asked}"


def _flat(code: str) -> str:
    return " ".join(code.split())


def _conclude(results: Sequence[Result], wanted: int) -> None:
    tried = [result for result in results if result.killer != NOT_PYTHON]
    for result in tried:
        if result.survived:
            print(_journal_facts(result))
    print(f"{len(results)} of {wanted} mutants tried, {len(results) - len(tried)} change nothing")
    for room, patterns in ROOMS.items():
        inside = {p.relative_to(ROOT).as_posix() for x in patterns for p in PACKAGE.glob(x)}
        print(_score(room, [result for result in tried if result.path in inside]))
    print(_score("all", tried))


def _score(name: str, tried: Sequence[Result]) -> str:
    """Return the share that was killed, with Wilson's interval for what all mutants would show."""
    number, killed = len(tried), sum(not result.survived for result in tried)
    if not number:
        return f"{name:8} none"
    share, square = killed / number, SURE**2 / number
    middle = (share + square / 2) / (1 + square)
    reach = SURE / (1 + square) * math.sqrt(share * (1 - share) / number + square / (4 * number))
    ended = sum(result.killer.startswith("SIG") for result in tried)
    return (
        f"{name:8} {killed} of {number} killed, {ended} of them by a limit: {share:.1%} "
        f"({middle - reach:.1%} to {middle + reach:.1%})"
    )


if __name__ == "__main__":
    main()
