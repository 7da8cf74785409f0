"""Steps: AWS's eleven steps as pure functions.

A step verifies its goal and lists the missing changes; it sends nothing and keeps no state.
Begin with ``base``, then ``sequences`` and ``s08_swap_gateways``.
"""
