"""Rehearsal results on disk: private, one per plan, and used only if valid."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from tests.support.builders import NOON, a_plan, minutes
from vpnmigrate.local.rehearsals import Rehearsals
from vpnmigrate.model.approval import RehearsalResult
from vpnmigrate.model.errors import MalformedFileError, VpnMigrateError

PLAN = msgspec.structs.replace(a_plan(), fingerprint="f" * 64)
RESULT = RehearsalResult(
    fingerprint="f" * 64,
    at=NOON,
    tool="test",
    passed=True,
    cutover=minutes(2),
    back={7: minutes(1), 10: minutes(3)},
    outage=minutes(4),
    back_outage={7: minutes(5), 10: minutes(6)},
)


def test_what_is_kept_is_found_by_the_plan(tmp_path):
    """The last result of a plan is found in a file that only its owner can read."""
    home = tmp_path / "elsewhere" / "runs"
    shelf = Rehearsals(home)
    assert shelf.of(PLAN) is None

    shelf.keep(msgspec.structs.replace(RESULT, passed=False))
    path = shelf.keep(RESULT)

    assert shelf.of(PLAN) == RESULT
    assert shelf.of(msgspec.structs.replace(PLAN, fingerprint="0" * 64)) is None
    modes = [each.stat().st_mode & 0o777 for each in (path, path.parent, home)]
    assert modes == [0o600, 0o700, 0o700]


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: b"\xff" + text,
        lambda text: text.replace(b'"passed": true', b'"passed": "yes"'),
        lambda text: text.replace(b'"passed"', b'"passt"'),
        lambda text: text.replace(b"f" * 64, b"0" * 64),
        lambda text: text.replace(b"PT120S", b"-PT120S"),
        lambda text: text.replace(b"PT240S", b"-PT240S"),
        lambda text: text.replace(b"PT360S", b"-PT360S"),
        lambda text: text.replace(b"+00:00", b"").replace(b"00Z", b"00"),
        lambda text: text.replace(b'"format": 1', b'"format": 2'),
    ],
)
def test_what_no_rehearsal_said_is_not_believed(tmp_path, damage):
    """A damaged or altered result is an error that names its file."""
    shelf = Rehearsals(tmp_path)
    path = shelf.keep(RESULT)
    before = path.read_bytes()
    path.write_bytes(damage(before))
    assert path.read_bytes() != before

    with pytest.raises(MalformedFileError, match=r"f{64}"):
        shelf.of(PLAN)


def test_a_file_that_others_can_write_is_not_believed(tmp_path):
    """A result that other users can write may be forged."""
    shelf = Rehearsals(tmp_path)
    path = shelf.keep(RESULT)
    path.chmod(0o666)

    with pytest.raises(MalformedFileError, match="other users can write it"):
        shelf.of(PLAN)


def test_a_link_is_not_followed(tmp_path):
    """A result that is a link is refused."""
    shelf = Rehearsals(tmp_path)
    path = shelf.keep(RESULT)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(MalformedFileError):
        shelf.of(PLAN)


def test_no_fingerprint_leads_out_of_the_folder(tmp_path):
    """A forged fingerprint cannot name another file."""
    plan = msgspec.structs.replace(PLAN, fingerprint="../../etc/passwd")

    with pytest.raises(MalformedFileError, match="is not a fingerprint"):
        Rehearsals(tmp_path).of(plan)


def test_a_disk_that_refuses_is_told(tmp_path):
    """A result that cannot be written is an error."""
    (tmp_path / "rehearsals").write_text("in the way")

    with pytest.raises(VpnMigrateError, match="cannot be written") as caught:
        Rehearsals(tmp_path).keep(msgspec.structs.replace(RESULT, cutover=timedelta(0)))
    assert "--run-dir" in caught.value.advice_text
