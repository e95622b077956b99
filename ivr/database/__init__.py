"""The one database file: its schema, its one writer, its readers. Knows no mailbox rules."""
