"""Contract of each port, tested with every implementation."""
