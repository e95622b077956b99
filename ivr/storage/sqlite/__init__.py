"""The adapters of the store protocols for SQLite."""
