"""Draw the last outage of a run as SVG: ``scripts/draw_outage.py RUN_DIRECTORY FILE``.

The picture has the steps and calls of the journal over one time axis, so it shows where the time
went.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from vpnmigrate.journal.history import outages_of  # noqa: E402  the path above
from vpnmigrate.local.documents import read_plan  # noqa: E402
from vpnmigrate.local.journal_file import read_journal  # noqa: E402
from vpnmigrate.local.run_directory import Run  # noqa: E402
from vpnmigrate.report.cutover_picture import picture_of_outage  # noqa: E402


def draw(run: Run, file: Path) -> None:
    """Draw the last outage of *run* into *file*."""
    entries = read_journal(run).entries
    outages = outages_of(entries)
    if not outages:
        sys.exit(f"{run.id} had no outage")
    file.write_text(picture_of_outage(read_plan(run.plan), entries, outages[-1]), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="the directory of a run")
    parser.add_argument("file", type=Path)
    options = parser.parse_args()
    draw(Run(options.run), options.file)
