"""What values may be stored: one rule for each kind of value, whether it comes from a phone, REST, a command or a file.

A value that is accepted works everywhere it is used: by phone, in mail, as the name of a message light. A value that is
refused is refused where it is entered, with the way to write it.
"""
