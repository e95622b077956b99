"""The code broken on purpose, one checklist row at a time: `make mutate` expects the row's own tests to fail."""
