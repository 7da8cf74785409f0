"""Lab: a migration with real IKE, ESP, BGP and packets, in local network namespaces.

    site -- cgw == tunnels == vgw -- vpc        inside the tunnels
             :                                  each tunnel has a daemon at either end
            fvrf ----- wan ----- ep             the underlay, with the outside addresses

The device ``cgw`` runs the commands that ``devices.blocks`` renders.  Real are IKE, ESP, BGP,
routes, packets and the order of changes; not real are the times of AWS's API, which the sandbox
simulates, and ESP is in UDP.  ADR 0049 has the reasons.  Begin with ``migration``, then
``network``, ``device`` and ``daemons``.
"""
