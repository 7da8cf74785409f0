"""Picture of a cutover: rows over one time axis."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import timedelta

from tests.report.examples import BEGAN, OLD, TABLE, a_journal, a_plan
from vpnmigrate.journal.history import outages_of
from vpnmigrate.journal.records import (
    Answered,
    Intended,
    OutageBegan,
    OutageEnded,
    StepBegun,
    StepSettled,
)
from vpnmigrate.model.changes import DisablePropagation
from vpnmigrate.model.changes.base import Performed
from vpnmigrate.report.cutover_picture import (
    LEFT,
    RIGHT,
    PictureRow,
    Shade,
    TimedPacket,
    TimeSpan,
    joined,
    panel_of,
    picture_of_outage,
    svg,
)


def spans(*found):
    return PictureRow("row", tuple(TimeSpan(*each) for each in found))


def test_all_rows_share_one_axis():
    """A moment is at the same place in each row, and the axis has round numbers."""
    rows = [spans((15, 20, Shade.UP, "a")), spans((15, 16, Shade.CALL, "b"))]
    panel = panel_of("title", 10, 20, rows)

    first, second = (row.spans[0] for row in panel.rows)
    assert first.x == second.x == (LEFT + RIGHT) / 2
    assert [tick.label for tick in panel.ticks][:3] == ["0", "1", "2"]


def test_what_is_outside_is_left_out_and_what_crosses_the_edge_is_cut():
    """A span keeps within the axis; a row that has none has no place."""
    rows = [spans((1, 2, Shade.UP)), spans((5, 15, Shade.UP), (19, 30, Shade.UP))]
    panel = panel_of("title", 10, 20, rows)

    (row,) = panel.rows
    assert [(each.x, round(each.x + each.width)) for each in row.spans] == [
        (LEFT, round((LEFT + RIGHT) / 2)),
        (LEFT + 0.9 * (RIGHT - LEFT), RIGHT),
    ]


def test_labels_that_would_overlap_have_lines_of_their_own():
    """No label is on a bar of another span, and the label of a moment at the end is left of it."""
    label = "a rather long label"
    row = spans(
        (10, 10.1, Shade.CALL, label), (10.2, 10.3, Shade.CALL, label), (20, 20, Shade.UP, label)
    )
    panel = panel_of("title", 10, 20, [row])

    first, second, last = panel.rows[0].spans
    assert first.y < second.y
    assert first.y == last.y
    assert (last.anchor, last.label_x < last.x) == ("end", True)


def test_packets_are_columns_of_those_that_arrived_and_those_that_were_lost():
    """An interval with both kinds has both, one on top of the other."""
    packets = tuple(TimedPacket((at + 0.5) / 100, arrived=at >= 55) for at in range(100))
    (row,) = panel_of("title", 0, 1, [PictureRow("packets", packets=packets)]).rows

    assert (row.lost.count("M"), row.arrived.count("M")) == (11, 9)
    mixed = panel_of("title", 0, 100, [PictureRow("packets", packets=packets)]).rows[0]
    assert (mixed.arrived.count("M"), mixed.lost.count("M")) == (1, 1)


def test_calls_that_are_close_are_one_bar():
    """A hundred calls of an operation are a bar with their number; packets stay as they are."""
    calls = [(at / 10, at / 10 + 0.05, Shade.CALL, "asked") for at in range(100)]
    packets = PictureRow("packets", packets=(TimedPacket(0, arrived=True),))
    found = [*joined([spans(*calls, (50, 50.1, Shade.CALL, "asked")), packets], 60)]

    assert [each.label for each in found[0].spans] == ["100 calls", "asked"]
    assert found[1] == packets


def test_the_picture_of_an_outage_has_its_steps_and_calls():
    """The file is XML with the outage, each step and each operation, and has no script."""
    change = DisablePropagation(TABLE, OLD)
    entries = a_journal(
        StepBegun(7, "Stop"),
        OutageBegan(BEGAN),
        Intended(1, 7, change),
        Answered(1, Performed()),
        StepSettled(7),
        OutageEnded(BEGAN + timedelta(minutes=2), timedelta(minutes=2)),
    )
    (outage,) = outages_of(entries)
    drawn = picture_of_outage(a_plan(), entries, outage)

    texts = ["".join(each.itertext()) for each in ET.fromstring(drawn).iter() if "text" in each.tag]
    assert {"120.0 s", "step 7", "DisableVgwRoutePropagation", "asked"} <= set(texts)
    assert "<script" not in drawn


def test_titles_are_escaped():
    """Markup in a name stays text."""
    drawn = svg("<b>", [panel_of("<i>&", 0, 1, [spans((0, 1, Shade.UP, "<u>"))])])

    assert ET.fromstring(drawn) is not None
    assert not [tag for tag in ("<b>", "<i>", "<u>") if tag in drawn]
