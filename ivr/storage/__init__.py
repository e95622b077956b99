"""Protocols, records and every SQL statement: rows in SQLite, audio in a folder."""
