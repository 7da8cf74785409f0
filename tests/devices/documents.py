"""Configurations as EC2 writes them, with made-up addresses and keys."""

from __future__ import annotations

from dataclasses import dataclass

OLD_KEYS = ("old.Key_one.1111", "old.Key_two.2222")
NEW_KEYS = ("new.Key_one.3333", "new.Key_two.4444")


@dataclass(frozen=True)
class Ends:
    """What distinguishes one tunnel of a document from the other."""

    outside: str
    inside: str
    key: str = ""

    @property
    def device_inside(self) -> str:
        """The second usable address of the /30."""
        head, _, last = self.inside.rpartition(".")
        return f"{head}.{int(last) + 1}"


OLD_ENDS = (
    Ends("203.0.113.10", "169.254.44.41", OLD_KEYS[0]),
    Ends("203.0.113.20", "169.254.44.45", OLD_KEYS[1]),
)
NEW_ENDS = (
    Ends("198.51.100.10", "169.254.60.1", NEW_KEYS[0]),
    Ends("198.51.100.20", "169.254.60.5", NEW_KEYS[1]),
)


def a_document(
    ends: tuple[Ends, ...] = OLD_ENDS,
    *,
    connection: str = "vpn-old",
    asn: int | None = 7224,
    head: str = '<?xml version="1.0" encoding="UTF-8"?>\n',
) -> str:
    """Write a configuration; without an *asn* it is a static one."""
    attributes = (
        "<vpn_connection_attributes>NoBGPVPNConnection</vpn_connection_attributes>"
        if asn is None
        else ""
    )
    return (
        f'{head}<vpn_connection id="{connection}">\n'
        "  <customer_gateway_id>cgw-1</customer_gateway_id>\n"
        "  <vpn_gateway_id> vgw-old </vpn_gateway_id>\n"
        "  <vpn_connection_type>ipsec.1</vpn_connection_type>\n"
        f"  {attributes}\n" + "".join(_tunnel(tunnel, asn) for tunnel in ends) + "</vpn_connection>"
    )


def _tunnel(ends: Ends, asn: int | None) -> str:
    return f"""  <ipsec_tunnel>
    <customer_gateway>
      <tunnel_outside_address><ip_address>192.0.2.1</ip_address></tunnel_outside_address>
      <tunnel_inside_address>
        <ip_address>{ends.device_inside}</ip_address>
        <network_mask>255.255.255.252</network_mask><network_cidr>30</network_cidr>
      </tunnel_inside_address>{_bgp(asn and 65000)}
    </customer_gateway>
    <vpn_gateway>
      <tunnel_outside_address><ip_address>{ends.outside}</ip_address></tunnel_outside_address>
      <tunnel_inside_address>
        <ip_address>{ends.inside}</ip_address>
        <network_mask>255.255.255.252</network_mask><network_cidr>30</network_cidr>
      </tunnel_inside_address>{_bgp(asn)}
    </vpn_gateway>
    <ike>
      <authentication_protocol>sha1</authentication_protocol>
      <encryption_protocol>aes-128-cbc</encryption_protocol><lifetime>28800</lifetime>
      <perfect_forward_secrecy>group2</perfect_forward_secrecy><mode>main</mode>
      <pre_shared_key>{ends.key}</pre_shared_key>
    </ike>
    <ipsec>
      <protocol>esp</protocol><authentication_protocol>hmac-sha1-96</authentication_protocol>
      <encryption_protocol>aes-128-cbc</encryption_protocol><lifetime>3600</lifetime>
      <perfect_forward_secrecy>group2</perfect_forward_secrecy><mode>tunnel</mode>
      <clear_df_bit>true</clear_df_bit>
      <fragmentation_before_encryption>true</fragmentation_before_encryption>
      <tcp_mss_adjustment>1379</tcp_mss_adjustment>
      <dead_peer_detection><interval>10</interval><retries>3</retries></dead_peer_detection>
    </ipsec>
  </ipsec_tunnel>
"""


def _bgp(asn: int | None) -> str:
    return f"<bgp><asn>{asn}</asn><hold_time>30</hold_time></bgp>" if asn else ""
