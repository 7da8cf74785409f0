"""Simulated worlds: the production runner, killed and faulted on purpose, and watched.

``topology`` draws a world from a seed, ``schedule`` says what goes wrong, ``trial`` runs processes
until the journey ends, and ``invariants`` judges the world's true state after every look.
``search`` enumerates kill points, and draws whole trials from seeds.

The same seed gives the same world, the same schedule and a byte-identical journal everywhere.
"""
