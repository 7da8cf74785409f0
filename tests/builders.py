"""Builders for the values tests speak of: say what matters, the rest is an ordinary migration."""
