"""Devices: what the engineer at the customer gateway needs.

EC2's configuration as values with hidden keys, the data sheet, the hazards of AWS's sample, and
the commands that platforms' templates render.
Begin with ``configuration``, then ``sheet`` and ``blocks``.
"""

from typing import Final

CONFIGURATION: Final = "configuration.xml"
"""A connection's configuration, as EC2 wrote it; step 4 keeps these files in one folder."""
OPTIONS: Final = "options.json"
"""Its options, without keys."""
SAMPLE: Final = "sample.txt"
"""AWS's sample for its kind of device."""
SHEET: Final = "sheet.md"
"""The data sheet."""
