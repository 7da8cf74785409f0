"""Play every case of the lab once, and print lost packets and outages as Markdown.

``scripts/measure_lab.py [WORDS OF ONE CASE]`` needs what ``vpnmigrate lab`` needs, and takes about
ten minutes.  docs/how-to/lab.md has its output.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

STATIC = ("--routing", "static")
FRR = ("--platform", "strongswan-frr")
CASES = (
    ("demo",),
    ("demo", *FRR),
    ("demo", *STATIC),
    ("killed",),
    ("killed", *FRR),
    ("one-tunnel-dead",),
    ("one-tunnel-dead", *STATIC),
    ("rekey",),
    ("rekey", *FRR),
    ("rekey", *STATIC),
    ("wrong-key",),
    ("proposal-mismatch",),
    ("dark-endpoints",),
    ("no-prefixes",),
    ("remote-as-unchanged",),
    ("prewarm",),
    ("prewarm-refused",),
)
LONGEST = 300
"""Seconds for a case, which takes 15 to 60."""


def main() -> int:
    """Print the table, and return whether a case failed."""
    cases = [tuple(sys.argv[1:])] if sys.argv[1:] else CASES
    print("| case | command | packets lost | outage | by the journal |")
    print("| --- | --- | --- | --- | --- |", flush=True)
    failed = 0
    for words in cases:
        command = [sys.executable, "-m", "vpnmigrate", "lab", *words, "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LONGEST)
        if done.returncode:
            failed = 1
            print(failure(words, done.returncode, done.stderr), flush=True)
            continue
        for number, phase in enumerate(json.loads(done.stdout)["phases"]):
            print(row("" if number else f"`{' '.join(words)}`", phase), flush=True)
    return failed


def failure(words: Sequence[str], exit_code: int, errors: str) -> str:
    """Return the row of a case that failed, with the last line of what it printed."""
    said = [line.strip() for line in errors.splitlines() if line.strip()]
    reason = f": {said[-1]}" if said else ", without a message"
    return f"| `{' '.join(words)}` | failed with exit code {exit_code}{reason} | | | |"


def row(case: str, phase: dict[str, Any]) -> str:
    """Return the row of one command of a case."""
    verb = phase["command"].split()[1]
    ended = "killed" if phase["exit"] is None else f"exit code {phase['exit']}"
    lost = f"{phase['lost']} of {phase['sent']}"
    outage = f"{phase['outage_ms']:.0f} ms"
    journal = ", ".join(f"{each:.0f} ms" for each in phase["control_plane_ms"]) or "none"
    return f"| {case} | `{verb}`, {ended} | {lost} | {outage} | {journal} |"


if __name__ == "__main__":
    sys.exit(main())
