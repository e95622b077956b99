"""Accounts, users, their devices, and the secrets they sign in with."""
