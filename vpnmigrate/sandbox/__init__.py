"""EC2's VPN domain in memory: one plain model, its devices, scenarios, faults and doors."""
