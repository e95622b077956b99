"""A hundred thousand peers that are not Asterisk, or not well, at one running service: `make soak`."""
