"""The REST door: HTTP verbs, what they take and give, and what they say when they refuse."""
