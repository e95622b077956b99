"""Tests of `ivr.imports`."""
