"""Clients of a world in the same process.

Calls go through one pipeline of faults, delays and guards, without botocore.
Begin with ``call``, then ``direct``.
"""
