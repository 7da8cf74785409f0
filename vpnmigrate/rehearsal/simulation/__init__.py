"""Simulation: the production runner with deliberate kills and faults, checked by invariants.

``topology`` draws a world from a seed, ``schedule`` has the kills and faults, ``trial`` runs
processes until the run ends, and ``invariants`` checks the world's actual state after every
observation.  ``search`` enumerates kill points, and draws whole trials from seeds.

The same seed gives the same world, the same schedule and a byte-identical journal on every machine.
"""
