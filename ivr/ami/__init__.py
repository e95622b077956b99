"""The one connection to Asterisk's manager: panoramisk behind a guard."""
