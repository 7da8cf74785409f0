"""Put what `vpnmigrate demo` prints, as it prints it now, into the README.

The text goes between the two marks; nothing else is touched.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
BEGIN = "<!-- transcript of `vpnmigrate demo`, written by `make readme` -->\n"
END = "<!-- end of transcript -->\n"


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
    README.write_text(with_transcript(page, demo.stdout), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
