"""Migrations of the schema, for Alembic; ``upgrade`` runs them."""
