"""Sandbox: EC2's VPN behaviour in memory.

One world with devices, scenarios and faults, reached by a direct client or an HTTP server.
Begin with ``world``, then ``ec2`` and ``behaviour``.
"""
