"""The vault: complete private files, verified by hash."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from pathlib import Path

import pytest

from vpnmigrate.local.vault import Vault
from vpnmigrate.model.ec2 import VpnConnectionId
from vpnmigrate.model.errors import VaultError

ID = VpnConnectionId("vpn-1")
TEXT = "the key is old.Key_one.1111\n"
SHA = hashlib.sha256(TEXT.encode()).hexdigest()


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    """Return a vault that has not been used."""
    return Vault(tmp_path / "run" / "devices")


def mode(path: Path) -> int:
    """Return the permission bits of *path* itself."""
    return stat.S_IMODE(path.lstat().st_mode)


class TestKeeping:
    """Writing device files."""

    def test_content_and_hash(self, vault):
        """A file is written to the connection's folder, and its SHA-256 is returned."""
        assert vault.keep(ID, "sheet.md", TEXT) == SHA
        assert (vault.folder(ID) / "sheet.md").read_text() == TEXT

    def test_modes(self, vault):
        """Folders are 0700 and files 0600, whatever the umask."""
        before = os.umask(0)
        try:
            vault.keep(ID, "sheet.md", TEXT)
        finally:
            os.umask(before)

        assert mode(vault.root) == mode(vault.folder(ID)) == 0o700
        assert mode(vault.folder(ID) / "sheet.md") == 0o600

    def test_no_moment_with_a_wider_mode(self, vault):
        """A file is created with its final mode, so no other user can read it in between."""
        vault.keep(ID, "sheet.md", "first")
        seen: set[int] = set()
        over = threading.Event()

        def watch() -> None:
            while not over.is_set():
                for entry in os.scandir(vault.folder(ID)):
                    try:
                        seen.add(stat.S_IMODE(entry.stat(follow_symlinks=False).st_mode))
                    except FileNotFoundError:
                        continue

        watcher = threading.Thread(target=watch)
        watcher.start()
        for n in range(50):
            vault.keep(ID, "sheet.md", f"{n}" * 10_000)
        over.set()
        watcher.join()

        assert seen <= {0o600}

    def test_replacing(self, vault):
        """A file that is kept again is replaced atomically, and no temporary file is left."""
        vault.keep(ID, "sheet.md", "a much longer text than the next")
        vault.keep(ID, "sheet.md", TEXT)

        assert (vault.folder(ID) / "sheet.md").read_text() == TEXT
        assert [path.name for path in vault.folder(ID).iterdir()] == ["sheet.md"]

    def test_a_folder_that_was_open_to_others(self, vault):
        """A folder that others could enter is made private."""
        vault.folder(ID).mkdir(parents=True, mode=0o755)
        vault.folder(ID).chmod(0o755)
        vault.keep(ID, "sheet.md", TEXT)

        assert mode(vault.folder(ID)) == 0o700

    def test_nothing_is_made_before(self, vault):
        """A vault without files creates nothing."""
        assert not vault.holds(ID, "sheet.md", SHA)
        assert not vault.root.parent.exists()


class TestRefusing:
    """Refused names and links."""

    @pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "-", "a\0b", "a\nb"])
    def test_names(self, vault, name):
        """A name that leads out of the vault is refused, for files and for folders."""
        with pytest.raises(VaultError):
            vault.keep(ID, name, TEXT)
        with pytest.raises(VaultError):
            vault.folder(VpnConnectionId(name))

    def test_a_link_in_place_of_the_file(self, vault, tmp_path):
        """A file that is a symbolic link is neither followed nor replaced."""
        elsewhere = tmp_path / "elsewhere"
        elsewhere.write_text("untouched")
        vault.keep(ID, "other.md", TEXT)
        (vault.folder(ID) / "sheet.md").symlink_to(elsewhere)

        with pytest.raises(VaultError):
            vault.keep(ID, "sheet.md", TEXT)
        with pytest.raises(VaultError):
            vault.holds(ID, "sheet.md", SHA)
        assert elsewhere.read_text() == "untouched"

    @pytest.mark.parametrize("which", ["root", "folder"])
    def test_a_link_in_place_of_a_folder(self, vault, tmp_path, which):
        """A folder that is a symbolic link is not entered."""
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        link = vault.root if which == "root" else vault.folder(ID)
        link.parent.mkdir(parents=True)
        link.symlink_to(elsewhere)

        with pytest.raises(VaultError):
            vault.keep(ID, "sheet.md", TEXT)
        assert list(elsewhere.iterdir()) == []

    def test_a_file_in_place_of_a_folder(self, vault):
        """If a folder cannot be created, the error says so and has advice."""
        vault.root.parent.mkdir(parents=True)
        vault.root.write_text("in the way")

        with pytest.raises(VaultError) as caught:
            vault.keep(ID, "sheet.md", TEXT)
        assert "--run-dir" in caught.value.advice_text

    def test_errors_hold_no_content(self, vault):
        """No error contains the content of a file."""
        vault.root.parent.mkdir(parents=True)
        vault.root.write_text("in the way")

        with pytest.raises(VaultError) as caught:
            vault.keep(ID, "sheet.md", TEXT)
        assert "Key_one" not in repr(caught.value) + str(caught.value.__cause__)


class TestHolding:
    """Verification by hash."""

    def test_as_kept(self, vault):
        """A file is held as long as it is unchanged."""
        vault.keep(ID, "sheet.md", TEXT)

        assert vault.holds(ID, "sheet.md", SHA)

    def test_altered(self, vault):
        """An altered file is not held."""
        vault.keep(ID, "sheet.md", TEXT)
        (vault.folder(ID) / "sheet.md").write_text("other")

        assert not vault.holds(ID, "sheet.md", SHA)

    def test_opened_to_others(self, vault):
        """A file that others may read is not held, even if it is unchanged."""
        vault.keep(ID, "sheet.md", TEXT)
        (vault.folder(ID) / "sheet.md").chmod(0o644)

        assert not vault.holds(ID, "sheet.md", SHA)

    def test_missing(self, vault):
        """A missing file is not held."""
        vault.keep(ID, "sheet.md", TEXT)

        assert not vault.holds(ID, "other.md", SHA)
