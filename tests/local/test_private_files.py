"""Private files: modes under any umask, and paths that are not regular files."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from vpnmigrate.local.private_files import make_folder, open_to_append, reading, write_output
from vpnmigrate.local.readable import readable

NOBODY = 65534
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")


def mode(path: Path) -> int:
    """Return the permission bits of *path*."""
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.fixture(params=[0o000, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """Set a umask for the test."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """Create a named pipe."""
    path = tmp_path / "pipe"
    os.mkfifo(path, 0o600)
    return path


class TestFolders:
    """A folder and each parent that is created with it."""

    def test_every_parent_is_private_whatever_the_umask(self, tmp_path, umask):
        """Other users cannot move the files below."""
        make_folder(tmp_path / "share" / "vpnmigrate" / "runs")

        for folder in ("share", "share/vpnmigrate", "share/vpnmigrate/runs"):
            assert mode(tmp_path / folder) == 0o700, f"{folder} under umask {umask:03o}"

    def test_what_is_there_stays_as_it_is(self, tmp_path):
        """An existing folder keeps its mode."""
        tmp_path.chmod(0o755)
        make_folder(tmp_path)

        assert mode(tmp_path) == 0o755

    def test_a_file_in_the_way(self, tmp_path):
        """A folder is not created in place of a file."""
        (tmp_path / "share").write_text("mine")

        with pytest.raises(OSError, match="share"):
            make_folder(tmp_path / "share" / "runs")


class TestAppending:
    """Logs of every kind."""

    def test_a_new_file_is_private(self, tmp_path, umask):
        """Its mode does not depend on the umask."""
        os.close(open_to_append(tmp_path / "log"))

        assert mode(tmp_path / "log") == 0o600, f"umask {umask:03o}"

    def test_it_appends(self, tmp_path):
        """The existing content stays."""
        for text in (b"one\n", b"two\n"):
            handle = open_to_append(tmp_path / "log")
            os.write(handle, text)
            os.close(handle)

        assert (tmp_path / "log").read_bytes() == b"one\ntwo\n"

    def test_a_file_of_ours_that_others_can_read_is_made_private(self, tmp_path):
        """A file that others could read is made private."""
        (tmp_path / "log").touch()
        (tmp_path / "log").chmod(0o666)
        os.close(open_to_append(tmp_path / "log"))

        assert mode(tmp_path / "log") == 0o600

    def test_a_pipe_without_a_reader_is_refused_at_once(self, pipe):
        """A pipe is refused without waiting for its reader."""
        with pytest.raises(OSError, match=r"pipe|device|regular"):
            open_to_append(pipe)

    def test_a_pipe_with_a_reader_is_refused(self, pipe):
        """A pipe is refused even with a reader: a log is written to a file only."""
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        try:
            with pytest.raises(OSError, match="not a regular file"):
                open_to_append(pipe)
        finally:
            os.close(reader)

    @pytest.mark.parametrize("target", ["/dev/null", "elsewhere"])
    def test_a_link_is_refused(self, tmp_path, target):
        """A link is refused, because another user may have chosen its target."""
        (tmp_path / "log").symlink_to(target)

        with pytest.raises(OSError, match=r"[Ll]ink|levels"):
            open_to_append(tmp_path / "log")
        assert not (tmp_path / "elsewhere").exists()

    @AS_ROOT
    def test_a_file_of_another_user_is_refused(self, tmp_path):
        """A file of another user is refused, because that user can read it."""
        (tmp_path / "log").touch()
        os.chown(tmp_path / "log", NOBODY, NOBODY)
        (tmp_path / "log").chmod(0o666)

        with pytest.raises(OSError, match="not a regular file of this user"):
            open_to_append(tmp_path / "log")


def test_a_folder_in_place_of_a_file_is_closed(tmp_path):
    """A worker may try to read it in each of its sessions."""
    handle = os.open(tmp_path, os.O_RDONLY)

    with pytest.raises(IsADirectoryError), reading(handle):
        pass
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(handle)


class TestOutput:
    """Files named with ``-o`` and ``--bundle``."""

    def test_a_regular_file_is_replaced_whole(self, tmp_path, umask):
        """The file is private from its first byte."""
        path = tmp_path / "plan.json"
        path.write_text("before")
        write_output(path, b"after")

        assert path.read_bytes() == b"after"
        assert mode(path) == 0o600, f"umask {umask:03o}"

    def test_a_pipe_gets_the_content_and_stays_a_pipe(self, pipe):
        """A pipe with a reader is written."""
        content = b"x" * 300_000
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        read = bytearray()

        def drain() -> None:
            while len(read) < len(content):
                readable(reader, 30)
                read.extend(os.read(reader, 65536))

        draining = threading.Thread(target=drain, daemon=True)
        draining.start()
        write_output(pipe, content)
        draining.join(30)
        os.close(reader)

        assert read == content
        assert stat.S_ISFIFO(pipe.lstat().st_mode)

    def test_a_pipe_that_nothing_reads_is_refused_at_once(self, pipe):
        """The message says that the reader has to be started."""
        with pytest.raises(OSError, match="start its reader first"):
            write_output(pipe, b"x")
        assert stat.S_ISFIFO(pipe.lstat().st_mode)

    def test_a_device_stays_a_device(self):
        """``-o /dev/null`` discards the output and keeps the device."""
        write_output(Path("/dev/null"), b"x")

        assert stat.S_ISCHR(Path("/dev/null").lstat().st_mode)

    def test_a_link_to_a_device_is_followed_and_stays_a_link(self, tmp_path):
        """A link to a stream is followed: /dev/stdout is one on many systems."""
        link = tmp_path / "link"
        link.symlink_to("/dev/null")
        write_output(link, b"x")

        assert link.is_symlink()

    def test_a_link_to_a_file_is_refused_with_its_target(self, tmp_path):
        """Neither the link nor its target is overwritten."""
        (tmp_path / "target").write_text("before")
        link = tmp_path / "link"
        link.symlink_to("target")

        with pytest.raises(OSError, match=f"its target {tmp_path / 'target'} instead"):
            write_output(link, b"after")
        assert link.is_symlink()
        assert (tmp_path / "target").read_text() == "before"

    def test_a_link_to_nothing_is_refused(self, tmp_path):
        """A dangling link is refused, so that no file appears at its target."""
        (tmp_path / "link").symlink_to("nowhere")

        with pytest.raises(OSError, match="it is a link"):
            write_output(tmp_path / "link", b"x")
        assert not (tmp_path / "nowhere").exists()

    def test_a_folder_is_refused(self, tmp_path):
        """A folder is not replaced."""
        with pytest.raises(OSError, match="not a file"):
            write_output(tmp_path, b"x")

    @pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
    @pytest.mark.parametrize("to", ["file", "pipe"])
    def test_standard_output_is_written_in_order(self, tmp_path, name, to):
        """Earlier output comes first, whatever standard output is."""
        program = (
            "from pathlib import Path; "
            "from vpnmigrate.local.private_files import write_output as w; "
            f"print('one'); w(Path({name!r}), b'two\\n'); print('three')"
        )
        target = tmp_path / "printed"
        with target.open("wb") as file:
            done = subprocess.run(
                [sys.executable, "-c", program],
                stdout=file if to == "file" else subprocess.PIPE,
                check=True,
            )
        printed = target.read_bytes() if to == "file" else done.stdout

        assert printed == b"one\ntwo\nthree\n"
