"""Archives of evidence, ours and a stranger's."""

from __future__ import annotations

import io
import struct
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpnmigrate.errors import BundleDamagedError, MalformedFileError, VpnMigrateError
from vpnmigrate.local.bundle import (
    MANIFEST,
    MOST_FILES,
    BundleSubject,
    manifest_of,
    pack,
    require_listed,
    require_packed_by_us,
    unpack,
)

ABOUT = BundleSubject("m-1", "f" * 64, "0.1.0", entries=2, head="a" * 64)
FILES = {"journal.jsonl": b"one\ntwo\n", "plan.json": b"{}", "plan.0123456789ab.json": b"[]"}
GOOD = pack(ABOUT, FILES)


def verified(raw: bytes) -> None:
    """Do all that can be done without knowing what the files mean."""
    members = unpack(raw)
    require_listed(members, manifest_of(members))
    require_packed_by_us(raw, members)


def a_zip(*members: tuple[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", compression) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content, compress_type=compression)
    return target.getvalue()


def test_what_was_packed_comes_out_again():
    """Every file comes back as it was, with a manifest that lists it."""
    members = unpack(GOOD)

    assert {name: members[name] for name in FILES} == FILES
    assert [one.name for one in manifest_of(members).files] == sorted(FILES)
    verified(GOOD)


def test_the_same_files_give_the_same_bytes():
    """Neither the order of files nor the moment of packing shows in the archive."""
    backwards = dict(reversed(FILES.items()))

    assert pack(ABOUT, backwards) == GOOD


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_no_byte_can_change_unseen(place: int, flip: int):
    """Whichever byte is altered, the archive does not verify, and nothing else is raised."""
    raw = bytearray(GOOD)
    raw[place] ^= flip

    with pytest.raises(VpnMigrateError):
        verified(bytes(raw))


@given(st.integers(0, len(GOOD) - 1))
def test_no_piece_can_be_cut_off_unseen(length: int):
    """However short it is cut, it does not verify."""
    with pytest.raises(VpnMigrateError):
        verified(GOOD[:length])


@given(st.binary(max_size=300))
def test_anything_is_a_bundle_or_one_clear_error(noise: bytes):
    """Whatever somebody sends, the answer is an error with a next step."""
    for raw in (noise, b"PK\x03\x04" + noise, GOOD[:40] + noise, GOOD + noise, noise + GOOD):
        if raw != GOOD:
            with pytest.raises(VpnMigrateError) as caught:
                verified(raw)
            assert caught.value.advice


@pytest.mark.parametrize(
    ("alter", "place", "why"),
    [
        (lambda files: {**files, "plan.json": b"{ }"}, "plan.json", "altered"),
        (lambda files: {**files, "extra.txt": b""}, "extra.txt", "added"),
        (
            lambda files: {n: c for n, c in files.items() if n != "plan.json"},
            "plan.json",
            "removed",
        ),
        (lambda files: {n: c for n, c in files.items() if n != MANIFEST}, MANIFEST, "missing"),
        (lambda files: {**files, MANIFEST: b"{}"}, MANIFEST, "missing required field"),
    ],
)
def test_the_first_bad_file_is_named(alter, place, why):
    """A file that was altered, added or removed is told by name, even if packed well again."""
    files = alter(unpack(GOOD))

    with pytest.raises(BundleDamagedError, match=why) as caught:
        verified(a_zip(*sorted(files.items())))
    assert caught.value.place == place


def test_files_that_were_moved_are_found():
    """The same files in another order are not what was packed."""
    moved = a_zip(*reversed(unpack(GOOD).items()))

    with pytest.raises(BundleDamagedError, match="repacked"):
        verified(moved)


@pytest.mark.parametrize(
    "name",
    [
        "../plan.json",
        "/etc/passwd",
        "a/b/c",
        "a\\b",
        ".hidden",
        "a/../b",
        "x" * 101,
        "n\u00e4me",
        "",
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(name):
    """No member can be meant for a place outside the folder it is unpacked into."""
    with pytest.raises(BundleDamagedError, match="a bundle has no file with such a name"):
        unpack(a_zip((name, b"x")))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_comes_twice_is_refused():
    """Two files of one name would let one be verified and the other be read."""
    with pytest.raises(BundleDamagedError, match="two files of that name"):
        unpack(a_zip(("a", b"1"), ("a", b"2")))


def test_nothing_can_unfold():
    """A compressed member is refused before it is read, however large it would become."""
    bomb = a_zip(("a", bytes(10_000_000)), compression=zipfile.ZIP_DEFLATED)

    with pytest.raises(BundleDamagedError, match="compressed"):
        unpack(bomb)


def test_members_cannot_share_their_bytes():
    """Many names for one content would be read as much more than the archive holds."""
    raw = a_zip(("a", bytes(1000)), ("b", b""))
    central = raw.rindex(b"PK\x01\x02")
    sizes = struct.pack("<LL", 1000, 1000)

    with pytest.raises(BundleDamagedError, match="larger than the archive"):
        unpack(raw[: central + 20] + sizes + raw[central + 28 :])


def test_too_many_files_are_refused_before_their_list_is_read():
    """An archive of more files than a run can have is not even listed."""
    crowd = a_zip(*((f"f{number}", b"") for number in range(MOST_FILES + 1)))

    with pytest.raises(BundleDamagedError, match="more than"):
        unpack(crowd)


def test_a_later_format_asks_for_a_later_program():
    """What this version cannot know is not called damaged."""
    members = {MANIFEST: unpack(GOOD)[MANIFEST].replace(b'"format": 1', b'"format": 2')}

    with pytest.raises(MalformedFileError, match="later vpnmigrate"):
        manifest_of(members)
