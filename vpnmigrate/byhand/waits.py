"""How long a script by hand waits at most, in seconds, with the source of each number."""

from __future__ import annotations

# All but the last from domain.md 3.1: what Terraform's provider allows.
GATEWAY_MADE = 600
GATEWAY_GONE = 600
CONNECTION_MADE = 2400
CONNECTION_GONE = 1800
PREFIX = 120
"""15 seconds there; here also two consistency delays of a minute."""
ATTACHED = 900
DETACHED = 1800
PROPAGATION = 120
ROUTE = 300
VPC_MADE = 120
"""General propagation of new resources."""
EDGE = 120
"""The same, for want of a number of its own."""
