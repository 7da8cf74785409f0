"""Planning: from a survey and a playbook to a plan.

Preflight checks, the predicted result, drift and the rollback proof; all of it is pure.
Begin with ``planner``, then ``preflight`` and ``prediction``.
"""
