"""Boxes, messages, folders, PINs, retention, forwarding: the rules that every door shares, and their store."""
