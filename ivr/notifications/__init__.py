"""Notifications: what follows an event of a mailbox. Subscribers write outbox rows; workers process them."""
