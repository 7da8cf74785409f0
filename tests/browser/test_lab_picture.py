"""The picture of a lab case as a browser shows it."""

from __future__ import annotations

from tests.browser.chromium import DARK, Chromium
from tests.rehearsal.test_lab_report import a_report
from vpnmigrate.report.lab_picture import picture


def test_the_picture_is_readable_in_light_and_dark(chromium: Chromium, tmp_path):
    """Paper and ink change with the reader's preference, and lost packets stay red."""
    page = tmp_path / "lab.svg"
    page.write_text(picture(a_report()), encoding="utf-8")

    light = chromium.painted(page, 1000, 500).colours()
    dark = chromium.painted(page, 1000, 500, DARK).colours()

    assert light[255, 255, 255] > dark[255, 255, 255]
    assert dark[0x12, 0x16, 0x1C] > 0.5 * light[255, 255, 255]
    assert light[0xC0, 0x39, 0x2B] > 4000
    assert dark[0xC9, 0x47, 0x3B] > 4000
