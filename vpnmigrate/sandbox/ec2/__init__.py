"""EC2: the operations of the VPN domain, one file per kind of resource.

Each function checks what EC2 checks, changes the state, and answers in EC2's form.
Begin with ``dispatch``, then ``gateways`` and ``request``.
"""
