"""Running processes: the daemon `ivr serve`, the process of one classic AGI call, and maintenance without a daemon."""
