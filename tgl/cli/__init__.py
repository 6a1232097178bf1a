"""The command line. Commands and heavy libraries are imported when they are called."""

from tgl.cli.app import app, main

__all__ = ["app", "main"]
