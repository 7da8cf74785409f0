"""Planning: from a survey and a playbook to a plan.

Preflight checks, the predicted result, drift and the rollback proof; all are pure functions.
Begin with ``planner``, then ``preflight`` and ``prediction``.
"""
