"""Rows in PostgreSQL, for installations of several machines. The statements are those of `ivr/storage/sqlite`."""
