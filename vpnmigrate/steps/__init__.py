"""Steps: AWS's eleven steps as pure objects.

A step verifies its goal and lists the missing changes; it makes no API calls and keeps no state.
Begin with ``base``, then ``sequences`` and ``s08_swap_gateways``.
"""
