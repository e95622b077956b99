"""Client of the Asterisk Manager Interface (AMI), built on panoramisk."""
