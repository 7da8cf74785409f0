"""EC2: the operations of the VPN domain, one file per kind of resource.

Each function makes the checks of EC2, changes the state, and returns an answer in EC2's form.
Begin with ``dispatch``, then ``gateways`` and ``request``.
"""
