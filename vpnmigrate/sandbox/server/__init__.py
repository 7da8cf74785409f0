"""Server of a world over HTTP, for any EC2 client.

Moto answers the wire format, the world answers the VPN calls, a control endpoint moves time.
Begin with ``serve``, then ``moto`` and ``control``.
"""
