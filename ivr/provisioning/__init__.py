"""Bulk changes from a people file: accounts, users, endpoints, mailboxes and PINs."""
