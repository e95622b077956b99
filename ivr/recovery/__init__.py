"""Recordings that a crash, a hang-up or a stopped service left behind."""
