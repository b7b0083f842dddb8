"""Exported models packed for the programs that serve them: one folder here per program."""
