"""The rules of mailboxes: settings, messages, folders, PINs, quota, delivery, uploads, greetings, key maps."""
