"""`bench --compare`: this run against a saved one."""
