"""Scenarios: initial states of worlds, as YAML files and their parser.

The YAML files in this directory come with the program; a scenario can also be a survey or the
output of describe commands.
Begin with ``scenario``, then ``parser`` and ``load``.
"""
