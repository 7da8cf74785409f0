"""Run the command line with ``python -m vpnmigrate``."""

from vpnmigrate.cli import main

main()
