"""Put what `vpnmigrate demo` prints, as it prints it now, into the README.

Of its parts those that show most go between the two marks; nothing else is touched.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
BEGIN = "<!-- transcript of `vpnmigrate demo`, written by `make readme` -->\n"
END = "<!-- end of transcript -->\n"
SHOWN = ("3", "4", "5")
"""Killed with traffic down, noticed, and taken up by another process."""


def parts(transcript: str, shown: Collection[str]) -> str:
    """Give the parts of *transcript* whose numbers are *shown*.

    Raises:
        ValueError: One of them is not there.
    """
    _, *found = re.split(r"^--- (\d+) -+\n", transcript, flags=re.MULTILINE)
    numbered = dict(zip(found[::2], found[1::2], strict=True))
    if missing := set(shown) - set(numbered):
        raise ValueError(f"the demo has no part {', '.join(sorted(missing))} any more")
    return "\n".join(numbered[number].strip() + "\n" for number in shown)


def with_transcript(page: str, transcript: str) -> str:
    """Give *page* with *transcript* between its marks.

    Raises:
        ValueError: A mark is missing.
    """
    before, found, rest = page.partition(BEGIN)
    _, closed, after = rest.partition(END)
    if not found or not closed:
        raise ValueError("README.md has lost the marks around its transcript")
    return f"{before}{BEGIN}\n```text\n{transcript.rstrip()}\n```\n\n{END}{after}"


def main() -> int:
    """Run the demo without a terminal, and paste."""
    demo = subprocess.run(
        [sys.executable, "-m", "vpnmigrate", "demo"],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    page = README.read_text(encoding="utf-8")
    README.write_text(with_transcript(page, parts(demo.stdout, SHOWN)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
