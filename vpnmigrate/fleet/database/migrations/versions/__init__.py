"""Versions of the schema, one file each; a version that was released is never edited."""
