"""A running service: calls come in, programs are answered, and what follows a change is done."""
