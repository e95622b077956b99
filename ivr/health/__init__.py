"""Whether this installation can store messages: one list of checks for the service, `ivr doctor` and /readyz."""
