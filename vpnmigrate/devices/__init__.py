"""Devices: what the engineer at the customer gateway needs.

EC2's configuration as values with hidden keys, and the data sheet that is made from it.
Begin with ``configuration``, then ``sheet``.
"""
