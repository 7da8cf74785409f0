"""Migrate AWS Classic VPN connections to AWS VPN in eleven steps, with rollback.

The pipeline, and the room each part lives in:

1. *survey*: ``aws`` reads the account into frozen values (``model``, ``survey``).
2. *plan*: ``preflight`` finds what forbids it, ``planner`` imagines every change (``plan``).
3. *run*: ``runner`` looks, asks a step of ``steps`` what is missing, writes the intent into the
   ``journal``, lets ``aws`` perform the ``changes``, and looks again; ``consistency`` says which
   readings may be trusted.
4. *return*: a rollback is the same cutover with the gateways exchanged (``sequences``).
5. *rehearse*: ``sandbox`` is EC2's VPN behaviour on one machine, for rehearsals, demos and tests.
"""

__version__ = "0.1.0"
