"""What follows a change: lights, mail, transcripts, calls, webhooks. Rows of the outbox ask for it; workers do it."""
