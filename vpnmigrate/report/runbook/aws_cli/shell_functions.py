"""Shell functions of the script: checks and waits."""

from __future__ import annotations

FUNCTIONS = r"""
stop() { echo "STOP: $*" >&2; return 1; }
todo() { echo "TO DO: $*" >&2; }
only() { # one id or none; more are an error
  set -- $(sed 's/None//g')
  [ $# -le 1 ] || stop "several resources have the same tags: $*"
  echo "${1:-}"
}
until_is() { # until_is SECONDS WANTED CHECK...: run CHECK until it prints WANTED
  local limit=$((SECONDS + $1)) wanted=$2 seen
  shift 2
  while seen=$("$@" || echo unreadable); [ "$seen" != "$wanted" ]; do
    [ "$SECONDS" -lt "$limit" ] || stop "limit exceeded: $* is '$seen', not '$wanted'"
    echo "  $*: $seen" >&2
    sleep "$PAUSE"
  done
}
again() { # again SECONDS COMMAND...: retry a call that EC2 may refuse for a while
  local limit=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$limit" ] || stop "limit exceeded: $*"
    sleep "$PAUSE"
  done
}
gateway_state() {
  aws ec2 describe-vpn-gateways --filters "Name=vpn-gateway-id,Values=$1" \
    --query "VpnGateways[?State!='deleted'].State | [0] || 'gone'"
}
connection_state() {
  aws ec2 describe-vpn-connections --filters "Name=vpn-connection-id,Values=$1" \
    --query "VpnConnections[?State!='deleted'].join(' ', [State, Category]) | [0] || 'gone'"
}
attachment() { # GATEWAY VPC
  [ -n "$1" ] && [ -n "$2" ] || { echo detached; return; }
  aws ec2 describe-vpn-gateways --vpn-gateway-ids "$1" --query \
    "VpnGateways[0].VpcAttachments[?VpcId=='$2' && State!='detached'].State | [0] || 'detached'"
}
propagation() { # TABLE GATEWAY
  [ -n "$1" ] && [ -n "$2" ] || { echo False; return; }
  aws ec2 describe-route-tables --route-table-ids "$1" \
    --query "contains(RouteTables[0].PropagatingVgws[].GatewayId, '$2')"
}
target() { # TABLE DESTINATION
  local to="DestinationCidrBlock=='$2' || DestinationIpv6CidrBlock=='$2'"
  aws ec2 describe-route-tables --route-table-ids "$1" --query \
    "RouteTables[0].Routes[?$to || DestinationPrefixListId=='$2'].[GatewayId, State] | [0]" |
    tr '\t' ' '
}
edge() { # TABLE GATEWAY: the id of the association, or None
  [ -n "$2" ] || { echo None; return; }
  aws ec2 describe-route-tables --route-table-ids "$1" \
    --query "RouteTables[0].Associations[?GatewayId=='$2'].RouteTableAssociationId | [0]"
}
prefix_state() { # CONNECTION CIDR
  aws ec2 describe-vpn-connections --vpn-connection-ids "$1" --query \
    "VpnConnections[0].Routes[?DestinationCidrBlock=='$2' && State!='deleted'].State | [0]"
}
tunnels_up() { # CONNECTION NUMBER
  aws ec2 describe-vpn-connections --vpn-connection-ids "$1" \
    --query "length(VpnConnections[0].VgwTelemetry[?Status=='UP']) >= \`$2\`"
}
missing_routes() { # TABLE GATEWAY PREFIX...: how many PREFIXes have no active route to GATEWAY
  local there active="GatewayId=='$2' && State=='active'"
  there=$(aws ec2 describe-route-tables --route-table-ids "$1" --query \
    "RouteTables[0].Routes[?$active].[DestinationCidrBlock, DestinationIpv6CidrBlock]")
  shift 2
  printf '%s\n' "$@" | grep -cvxFf <(tr '\t' '\n' <<<"$there") || true
}
claim() {
  aws ec2 describe-tags --query 'Tags[0].Value' \
    --filters "Name=resource-id,Values=$OLD_VGW" Name=key,Values=vpnmigrate:claim
}
""".strip()

# The redaction of documents removes pre_shared_key elements, this pattern included: hence ``[y]``.
KEYS = r"""
keys_of() { # the keys of a connection that EC2 accepts again, in the order of its addresses
  aws ec2 describe-vpn-connections --vpn-connection-ids "$1" \
    --query 'VpnConnections[0].CustomerGatewayConfiguration' | tr -d '\n' |
    sed 's/<ipsec_tunnel>/\n&/g' | sed -n "$(printf '%s' \
      's:.*<vpn_gateway>.*<tunnel_outside_address> *<ip_address>\([0-9.]*\)</ip_address>' \
      '.*<pre_shared_ke[y]>\([^<]*\)</pre_shared_ke[y]>.*:\1 \2:p')" |
    LC_ALL=C sort -k1,1 | cut -d' ' -f2 |
    grep -Ex '[A-Za-z1-9._][A-Za-z0-9._]{7,63}' | grep -ivx redacted || true
}
""".strip()

MAIN_TABLE = r"""
main_table() { # VPC
  [ -n "$1" ] || return 0
  aws ec2 describe-route-tables --query 'RouteTables[0].RouteTableId' \
    --filters "Name=vpc-id,Values=$1" Name=association.main,Values=true
}
""".strip()
