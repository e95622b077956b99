"""A whole site: a fresh Debian machine with Debian's Asterisk, on which the install page is followed word by word."""
