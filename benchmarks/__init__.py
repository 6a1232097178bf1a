"""Figures of speed, memory and accuracy against named peers; each module is a program."""
