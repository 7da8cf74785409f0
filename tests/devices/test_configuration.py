"""EC2's configuration documents."""

from __future__ import annotations

import re
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.devices.documents import NEW_ENDS, OLD_ENDS, OLD_KEYS, Ends, a_document
from vpnmigrate.devices.configuration import (
    MOST_CHARACTERS,
    ConfigurationError,
    IncompleteConfigurationError,
    parse_configuration,
    parse_partial,
)

BOMB = (
    '<!DOCTYPE bomb [<!ENTITY a "old.Key_one.1111">'
    + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 9)).replace("&a0;", "&a;")
    + "]><vpn_connection>&a8;</vpn_connection>"
)
OUTSIDE_FILE = (
    '<!DOCTYPE x [<!ENTITY file SYSTEM "file:///etc/passwd">]>'
    "<vpn_connection><customer_gateway_id>&file;</customer_gateway_id></vpn_connection>"
)


class TestReading:
    """Valid documents."""

    def test_bgp(self):
        """A BGP connection's tunnels have both ASNs and the hold time."""
        configuration = parse_configuration(a_document())

        amazon = configuration.tunnels[0].amazon
        assert (amazon.asn, amazon.hold_time) == (7224, 30)
        assert configuration.tunnels[0].customer.asn == 65000
        assert not configuration.static

    def test_static(self):
        """A document without BGP elements is a static connection's (case 37)."""
        configuration = parse_configuration(a_document(asn=None))

        assert configuration.static
        assert configuration.tunnels[0].amazon.asn is None

    def test_order_of_tunnels(self):
        """Tunnels are identified by outside address, in any order (case 36)."""
        flipped = parse_configuration(a_document(OLD_ENDS[::-1]))

        assert parse_configuration(a_document()) == flipped
        assert [t.outside_ip for t in flipped.tunnels] == ["203.0.113.10", "203.0.113.20"]
        assert [k.reveal() for k in flipped.keys] == list(OLD_KEYS)

    def test_inside_network(self):
        """The inside network contains the tunnel's inside address."""
        assert [t.amazon.inside_cidr for t in parse_configuration(a_document()).tunnels] == [
            "169.254.44.40/30",
            "169.254.44.44/30",
        ]

    def test_white_space(self):
        """White space around a text is not part of it."""
        assert parse_configuration(a_document()).vpn_gateway == "vgw-old"

    def test_parameters(self):
        """IKE, IPsec and packet parameters are read unchanged."""
        tunnel = parse_configuration(a_document()).tunnels[0]

        assert (tunnel.ike.encryption, tunnel.ike.lifetime) == ("aes-128-cbc", 28800)
        assert (tunnel.ipsec.protocol, tunnel.ipsec.mode) == ("esp", "tunnel")
        assert (tunnel.packets.mss, tunnel.packets.clear_df_bit) == (1379, True)
        assert (tunnel.packets.dead_peer_interval, tunnel.packets.dead_peer_retries) == (10, 3)

    @pytest.mark.parametrize(
        "text", ["", "****************", "REDACTED", "arn:aws:secretsmanager:eu-west-1:1:secret:x"]
    )
    def test_no_key(self, text):
        """A missing or withheld key is None, without an error."""
        ends = tuple(Ends(e.outside, e.inside, text) for e in OLD_ENDS)

        assert parse_configuration(a_document(ends)).keys == ()

    def test_without_declaration(self):
        """An XML declaration may be missing."""
        assert parse_configuration(a_document(head="")) == parse_configuration(a_document())

    @pytest.mark.parametrize("before", ["\n", "    ", "\ufeff", "\ufeff\r\n\t "])
    def test_blanks_before_the_declaration(self, before):
        """A copy that was saved by hand is read although XML forbids blanks at the beginning."""
        assert parse_configuration(before + a_document()) == parse_configuration(a_document())

    @pytest.mark.parametrize("blank", [" ", "\n      ", "\t\r\n "])
    def test_blanks_around_every_text(self, blank):
        """White space around texts, of keys and numbers too, changes nothing."""
        odd = re.sub(r">([^<\s][^<]*)</", rf">{blank}\1{blank}</", a_document())

        assert odd != a_document()
        assert parse_configuration(odd) == parse_configuration(a_document())

    def test_comments_and_cdata(self):
        """Comments are skipped, and marked sections are text."""
        key = OLD_KEYS[0]
        odd = a_document().replace(f">{key}<", f"><!-- the key --><![CDATA[{key}]]><")

        assert parse_configuration(odd) == parse_configuration(a_document())

    def test_a_namespace(self):
        """Elements in a namespace are the same elements."""
        spaced = a_document().replace("<vpn_connection ", '<vpn_connection xmlns="urn:aws" ')

        assert parse_configuration(spaced) == parse_configuration(a_document())

    def test_one_tunnel(self):
        """A document with one tunnel is read, but it is not whole."""
        text = a_document(OLD_ENDS[1:])

        assert [t.outside_ip for t in parse_partial(text).tunnels] == [OLD_ENDS[1].outside]
        with pytest.raises(IncompleteConfigurationError):
            parse_configuration(text)

    def test_a_certificate(self):
        """With certificates there is no key, and everything else is read."""
        without = re.sub(r"<pre_shared_key>.*</pre_shared_key>", "", a_document())

        assert parse_configuration(without).keys == ()
        assert (
            parse_configuration(without).tunnels[0].amazon
            == parse_configuration(a_document()).tunnels[0].amazon
        )

    def test_unknown_members_are_listed(self):
        """Elements and attributes that a later EC2 may add are listed by path, without values."""
        text = a_document()
        text = text.replace("<ike>", '<ike version="2"><ike_version>ikev2</ike_version>')
        text = text.replace(
            "</vpn_connection>", "<extra><key>new.Key_9</key></extra></vpn_connection>"
        )

        assert parse_configuration(text).unknown == (
            "extra/key",
            "ipsec_tunnel/ike/@version",
            "ipsec_tunnel/ike/ike_version",
        )
        assert parse_configuration(a_document()).unknown == ()
        assert parse_configuration(text).tunnels == parse_configuration(a_document()).tunnels

    @pytest.mark.parametrize(
        ("element", "path"),
        [
            ("pre_shared_key", "ipsec_tunnel/ike/pre_shared_key (repeated)"),
            ("customer_gateway_id", "customer_gateway_id (repeated)"),
        ],
    )
    def test_a_repeated_member_is_listed(self, element, path):
        """The first one is used, and that there are others is said."""
        twice = re.sub(rf"(<{element}>[^<]*</{element}>)", r"\1<!-- -->\1", a_document())

        assert parse_configuration(twice).unknown == (path,)
        assert parse_configuration(twice).tunnels == parse_configuration(a_document()).tunnels

    @pytest.mark.parametrize(
        ("element", "path"),
        [
            ("hold_time", "bgp/hold_time (not a number)"),
            ("tcp_mss_adjustment", "ipsec/tcp_mss_adjustment (not a number)"),
            ("clear_df_bit", "ipsec/clear_df_bit (neither true nor false)"),
        ],
    )
    def test_a_value_that_cannot_be_read_is_listed(self, element, path):
        """The rest of the document is used, and what is missing is said."""
        odd = re.sub(rf"<{element}>[^<]*<", f"<{element}>often<", a_document())

        found = parse_configuration(odd).unknown

        assert found
        assert all(each.endswith(path) for each in found)

    def test_an_asn_at_one_end_is_listed(self):
        """Without AWS's ASN the connection looks static, so that is said."""
        odd = a_document().replace("<asn>7224</asn>", "")

        assert parse_partial(odd).unknown == ("ipsec_tunnel/vpn_gateway/bgp/asn (missing)",)

    def test_members(self):
        """The members outside the tunnels are read too."""
        static = parse_configuration(a_document(asn=None))

        assert (static.connection_type, static.attributes) == ("ipsec.1", "NoBGPVPNConnection")


class TestRefusing:
    """An invalid document raises one error, which never quotes it."""

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "old.Key_one.1111",
            "<vpn_connection><old.Key_one.1111></vpn_connection>",
            "<html>old.Key_one.1111</html>",
            BOMB,
            OUTSIDE_FILE,
            a_document(OLD_ENDS[:1]),
            a_document((*OLD_ENDS, NEW_ENDS[0])),
            a_document((OLD_ENDS[0], OLD_ENDS[0])),
            a_document().replace("<asn>7224<", "<asn>1.10<"),
            a_document() + "\ud800",
            "old.Key_one.1111" * MOST_CHARACTERS,
        ],
        ids=[
            "empty",
            "no XML",
            "not closed",
            "other XML",
            "entity bomb",
            "outside entity",
            "one tunnel",
            "three tunnels",
            "twice the same tunnel",
            "an ASN with a point",
            "half a character",
            "huge",
        ],
    )
    def test_one_error(self, text):
        """Every invalid document raises ConfigurationError without quoting it."""
        with pytest.raises(ConfigurationError) as caught:
            parse_configuration(text)

        shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
        assert "Key_one" not in shown
        assert caught.value.message.startswith("the configuration ")

    @given(st.text(max_size=300))
    def test_any_text(self, text):
        """No text raises another exception."""
        with pytest.raises(ConfigurationError):
            parse_configuration(text)

    @given(st.integers(0, 2500), st.integers(1, 400))
    def test_torn(self, start, length):
        """A document with a missing part is read or refused."""
        whole = a_document()
        try:
            parse_configuration(whole[:start] + whole[start + length :])
        except ConfigurationError as exc:
            assert not any(key in str(exc) for key in OLD_KEYS)  # noqa: PT017


def test_a_foreign_encoding_is_read_as_the_text_it_is():
    """A declared encoding does not affect text that is already decoded."""
    assert (
        parse_configuration(a_document(head='<?xml version="1.0" encoding="UTF-16"?>')).static
        is False
    )


def test_keys_do_not_show():
    """Printing a configuration, or any part of it, shows no key."""
    configuration = parse_configuration(a_document())

    shown = f"{configuration} {configuration!r} {configuration.tunnels} {configuration.keys}"
    assert not any(key in shown for key in OLD_KEYS)
