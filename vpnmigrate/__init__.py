"""Migrate AWS Classic VPN connections to AWS VPN in eleven steps, with rollback.

Packages, from values to users; each imports only packages above it in this list:

- ``model``: values of EC2, decisions, plans and changes; ``model.errors``: exceptions, exit codes,
  commands to paste; no I/O.
- ``steps``: AWS's eleven steps as pure functions; ``journal``: records of a run;
  ``devices``: configurations of the customer's devices.
- ``planning``: from survey and playbook to plan, preflight checks, the rollback proof.
- ``engine``: runs a plan; gates, pauses, deadlines; its ports to everything outside.
- ``local``: this machine's files, locks and processes; ``aws``: boto3.
- ``sandbox``: EC2's VPN behaviour on one machine.
- ``rehearsal``: the engine on the sandbox; ``fleet``: many migrations as one campaign.
- ``report``: text, JSON and HTML; ``cli``: commands.

Begin with ``steps/s08_swap_gateways.py``, then ``engine/runner.py``, which runs the steps in both
directions, and ``engine/step_loop.py``, which runs each of them.
"""

__version__ = "0.1.0"
