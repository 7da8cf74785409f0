"""Entry point of ``python -m vpnmigrate``."""

from vpnmigrate.cli import main

main()
