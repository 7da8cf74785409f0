"""What a port promises, asked of every implementation."""
