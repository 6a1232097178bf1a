"""Experiments anyone can repeat; each module is a program."""
