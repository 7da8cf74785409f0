"""Scenarios: worlds to begin with, as YAML files and their parser.

The files beside this one come with the program; a survey or describe output is one too.
Begin with ``scenario``, then ``parser`` and ``load``.
"""
