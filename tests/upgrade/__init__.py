"""Upgrades of a whole installation: data folder and installed files of an earlier version become those of this one."""
