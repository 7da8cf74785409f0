"""How long a script by hand waits at most, in seconds, with the source of each number."""

from __future__ import annotations

# Where nothing else is said, from domain.md 3.1: what Terraform's provider allows.
GATEWAY_MADE = 600
GATEWAY_GONE = 600
CONNECTION_MADE = 2400
CONNECTION_GONE = 1800
PREFIX = 120
"""15 seconds there; here the consistency delay of two minutes."""
ATTACHED = 900
DETACHED = 1800
REFUSED = 300
"""How long EC2 may say that something is still changing on a gateway (domain.md 12.2): minutes."""
PROPAGATION = 120
ROUTE = 300
EDGE = 120
"""General propagation, for want of a number of its own."""
