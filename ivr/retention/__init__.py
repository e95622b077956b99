"""Gone means gone: what is hidden, what is taken away for good, and when (design)."""
