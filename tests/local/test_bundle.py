"""Evidence bundles of this program, and of other origin."""

from __future__ import annotations

import io
import struct
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from vpnmigrate.model.errors import BundleDamagedError, MalformedFileError, VpnMigrateError

ABOUT = BundleSubject("m-1", "f" * 64, "0.1.0", entries=2, head="a" * 64)
FILES = {"journal.jsonl": b"one\ntwo\n", "plan.json": b"{}", "plan.0123456789ab.json": b"[]"}
GOOD = pack(ABOUT, FILES)


def verified(raw: bytes) -> None:
    """Do all checks that do not depend on the content of the files."""
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
    """Every file is unpacked unchanged, and the manifest lists it."""
    members = unpack(GOOD)

    assert {name: members[name] for name in FILES} == FILES
    assert [one.name for one in manifest_of(members).files] == sorted(FILES)
    verified(GOOD)


def test_the_same_files_give_the_same_bytes():
    """The archive depends neither on the order of files nor on the time of packing."""
    backwards = dict(reversed(FILES.items()))

    assert pack(ABOUT, backwards) == GOOD


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_no_byte_can_change_unseen(place: int, flip: int):
    """An archive with any byte altered fails verification, with an error of this program."""
    raw = bytearray(GOOD)
    raw[place] ^= flip

    with pytest.raises(VpnMigrateError):
        verified(bytes(raw))


@given(st.integers(0, len(GOOD) - 1))
def test_no_piece_can_be_cut_off_unseen(length: int):
    """An archive cut at any length fails verification."""
    with pytest.raises(VpnMigrateError):
        verified(GOOD[:length])


@given(st.binary(max_size=300))
def test_anything_is_a_bundle_or_one_clear_error(noise: bytes):
    """Any other input raises an error with advice."""
    for raw in (noise, b"PK\x03\x04" + noise, GOOD[:40] + noise, GOOD + noise, noise + GOOD):
        if raw != GOOD:
            with pytest.raises(VpnMigrateError) as caught:
                verified(raw)
            assert caught.value.advice_text


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
    """A file that was altered, added or removed is named, even after correct repacking."""
    files = alter(unpack(GOOD))

    with pytest.raises(BundleDamagedError, match=why) as caught:
        verified(a_zip(*sorted(files.items())))
    assert caught.value.place == place


def test_files_that_were_moved_are_found():
    """The same files in another order fail verification."""
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
    """A member's name cannot lead out of the folder where it is unpacked."""
    with pytest.raises(BundleDamagedError, match="a bundle has no file with such a name"):
        unpack(a_zip((name, b"x")))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_comes_twice_is_refused():
    """With two files of one name, one could be verified and the other be read."""
    with pytest.raises(BundleDamagedError, match="two files of that name"):
        unpack(a_zip(("a", b"1"), ("a", b"2")))


def test_nothing_can_unfold():
    """A compressed member is refused before it is read, however large it would become."""
    bomb = a_zip(("a", bytes(10_000_000)), compression=zipfile.ZIP_DEFLATED)

    with pytest.raises(BundleDamagedError, match="compressed"):
        unpack(bomb)


def test_members_cannot_share_their_bytes():
    """Several names for the same bytes would be read as more data than the archive contains."""
    raw = a_zip(("a", bytes(1000)), ("b", b""))
    central = raw.rindex(b"PK\x01\x02")
    sizes = struct.pack("<LL", 1000, 1000)

    with pytest.raises(BundleDamagedError, match="larger than the archive"):
        unpack(raw[: central + 20] + sizes + raw[central + 28 :])


def test_too_many_files_are_refused_before_their_list_is_read():
    """An archive with more files than a run can have is refused before it is listed."""
    crowd = a_zip(*((f"f{number}", b"") for number in range(MOST_FILES + 1)))

    with pytest.raises(BundleDamagedError, match="more than"):
        unpack(crowd)


def test_a_later_format_asks_for_a_later_program():
    """A manifest of a later format is not reported as damaged."""
    members = {MANIFEST: unpack(GOOD)[MANIFEST].replace(b'"format": 1', b'"format": 2')}

    with pytest.raises(MalformedFileError, match="later vpnmigrate"):
        manifest_of(members)
