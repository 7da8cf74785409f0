"""The device engineer's data sheet."""

from __future__ import annotations

from tests.devices.documents import NEW_ENDS, NEW_KEYS, OLD_ENDS, OLD_KEYS, Ends, a_document
from tests.devices.test_hazards import IOS
from vpnmigrate.devices.configuration import parse_configuration
from vpnmigrate.devices.sheet import SampleConfiguration, SheetSide, sheet
from vpnmigrate.model.ec2 import MigrationId, VpnConnectionId

OLD_ID, NEW_ID = VpnConnectionId("vpn-old"), VpnConnectionId("vpn-new")
RUN = MigrationId("mig-20260117-5131ed")
NO_SAMPLE = SampleConfiguration(why_not="the plan names no device type.")


def the_old(**more: object) -> SheetSide:
    """Return the old side."""
    return SheetSide(OLD_ID, parse_configuration(a_document(**more)))  # type: ignore[arg-type]


def the_new(ends: tuple[Ends, ...] = NEW_ENDS, *, asn: int | None = 64512) -> SheetSide:
    """Return the new side, created with AES256."""
    choices = {ends[0].outside: [("IKE encryption", "AES256")]}
    document = a_document(ends, connection=NEW_ID, asn=asn)
    return SheetSide(NEW_ID, parse_configuration(document), choices=choices)


def rows_of(text: str) -> dict[str, list[str]]:
    """Return the cells of the first table's rows by name."""
    table = text.partition("### Tunnel 2")[0]
    cells = [line.split("|")[1:-1] for line in table.splitlines() if line.startswith("|")]
    return {row[0].strip(): [cell.strip(" `") for cell in row[1:]] for row in cells}


class TestValues:
    """The tables."""

    def test_side_by_side(self):
        """Every value is shown for the old and the new tunnel, and changes are marked."""
        rows = rows_of(sheet(the_old(), the_new(), NO_SAMPLE, RUN))

        assert rows["AWS outside address"] == ["203.0.113.10", "198.51.100.10", "changes"]
        assert rows["device outside address"] == ["192.0.2.1", "192.0.2.1", ""]
        assert rows["AWS inside address"] == ["169.254.44.41", "169.254.60.1", "changes"]
        assert rows["device inside address"] == ["169.254.44.42", "169.254.60.2", "changes"]
        assert rows["AWS ASN (remote)"] == ["7224", "64512", "changes"]
        assert rows["BGP hold time, seconds"] == ["30", "30", ""]
        assert rows["pre-shared key"] == [OLD_KEYS[0], NEW_KEYS[0], "changes"]
        assert rows["IKE encryption, at least"] == ["aes-128-cbc", "aes-128-cbc", ""]
        assert rows["TCP MSS"] == ["1379", "1379", ""]

    def test_chosen_options(self):
        """The chosen options are shown beside the weakest that AWS accepts."""
        rows = rows_of(sheet(the_old(), the_new(), NO_SAMPLE, RUN))

        assert rows["chosen: IKE encryption"] == ["", "AES256", ""]

    def test_both_tunnels(self):
        """Both tunnels of both connections are on the sheet."""
        text = sheet(the_old(), the_new(), NO_SAMPLE, RUN)

        for ends in (*OLD_ENDS, *NEW_ENDS):
            assert f"`{ends.outside}`" in text
            assert f"`{ends.key}`" in text

    def test_static(self):
        """A static connection's sheet has no BGP neighbours or ASNs."""
        text = sheet(the_old(asn=None), the_new(asn=None), NO_SAMPLE, RUN)

        assert "neighbour" not in text
        assert "AWS ASN" not in text
        assert "worse metric" in text

    def test_unknown_members(self):
        """Members of a configuration that the program does not know are listed by path."""
        text = a_document(NEW_ENDS).replace("<ike>", "<ike><ike_version>ikev2</ike_version>")

        shown = sheet(the_old(), SheetSide(NEW_ID, parse_configuration(text)), NO_SAMPLE, RUN)
        assert "`ipsec_tunnel/ike/ike_version`" in shown
        assert "does not know" not in sheet(the_old(), the_new(), NO_SAMPLE, RUN)

    def test_unknown_configuration(self):
        """A missing side is noted with the reason."""
        gone = SheetSide(OLD_ID, why_not="the connection is deleted.")
        text = sheet(gone, the_new(), NO_SAMPLE, RUN)

        assert "The configuration of vpn-old is not shown here: the connection is deleted." in text
        assert NEW_KEYS[0] in text

    def test_keys_elsewhere(self):
        """If AWS keeps the keys in Secrets Manager, the sheet names the secret."""
        ends = tuple(Ends(e.outside, e.inside) for e in NEW_ENDS)
        configuration = parse_configuration(a_document(ends))
        text = sheet(
            the_old(), SheetSide(NEW_ID, configuration, key_store="arn:aws:x"), NO_SAMPLE, RUN
        )

        assert rows_of(text)["pre-shared key"][1] == "not in the configuration"
        assert "`arn:aws:x`" in text


class TestOrder:
    """The order of the tasks."""

    def test_chapters(self):
        """The chapters are load, enable, disable, rollback and remove, in this order."""
        text = sheet(the_old(), the_new(), NO_SAMPLE, RUN)

        chapters = [line for line in text.splitlines() if line.startswith("## ")]
        assert [c.split()[2].strip(",") for c in chapters] == [
            "Values",
            "Load",
            "Enable",
            "Disable",
            "Rollback",
            "Remove",
        ]

    def test_firewall(self):
        """The new addresses are allowed before the window, the old ones removed last."""
        text = sheet(the_old(), the_new(), NO_SAMPLE, RUN)
        load, remove = text.split("## 2.")[1].split("## 3.")[0], text.split("## 6.")[1]

        assert "UDP 500, UDP 4500 and ESP" in load
        assert all(f"- {e.outside}\n" in load for e in NEW_ENDS)
        assert all(f"- {e.outside}\n" in remove for e in OLD_ENDS)

    def test_changed_asn(self):
        """A changed AWS ASN is on the list of changes."""
        assert "AWS's ASN changes to 64512" in sheet(the_old(), the_new(), NO_SAMPLE, RUN)
        assert "AWS's ASN does not change" in sheet(the_old(), the_new(asn=7224), NO_SAMPLE, RUN)

    def test_same_inside_addresses(self):
        """With the same inside network on both sides the old tunnels are shut down first."""
        same = tuple(
            Ends(new.outside, old.inside) for new, old in zip(NEW_ENDS, OLD_ENDS, strict=True)
        )

        assert "Shut down the old\ntunnels first**" in sheet(
            the_old(), the_new(same), NO_SAMPLE, RUN
        )
        assert "Shut down the old\ntunnels first**" not in sheet(
            the_old(), the_new(), NO_SAMPLE, RUN
        )

    def test_sample(self):
        """Names in AWS's sample that may collide, and lines that enable tunnels, are listed."""
        text = sheet(the_old(), the_new(), SampleConfiguration("sample.txt", IOS), RUN)

        assert "**Do not paste it\n   unchanged.**" in text
        assert "   - `interface Tunnel1`\n   - `interface Tunnel2`\n" in text
        assert "   - `no shutdown`\n" in text

    def test_no_sample(self):
        """Without a sample the sheet has the reason."""
        text = sheet(the_old(), the_new(), NO_SAMPLE, RUN)

        assert "no sample from AWS in this folder: the plan names no device type." in text

    def test_commands_name_the_run(self):
        """The sheet's commands name the run."""
        text = sheet(the_old(), the_new(), NO_SAMPLE, RUN)

        assert f"`vpnmigrate done {RUN} 5`" in text
        assert f"`vpnmigrate status {RUN}`" in text

    def test_tidy(self):
        """The page has no repeated blank lines and no trailing spaces."""
        for text in (
            sheet(the_old(), the_new(), SampleConfiguration("sample.txt", IOS), RUN),
            sheet(the_old(asn=None), the_new(asn=None), NO_SAMPLE, RUN),
            sheet(the_old(), the_new(), NO_SAMPLE, RUN),
            sheet(
                SheetSide(OLD_ID, why_not="gone."),
                SheetSide(NEW_ID, why_not="gone."),
                NO_SAMPLE,
                RUN,
            ),
        ):
            assert "\n\n\n" not in text
            assert not [line for line in text.splitlines() if line != line.rstrip()]
            assert text.endswith("\n")
