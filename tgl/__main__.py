"""`python -m tgl` is `tgl`."""

from tgl.cli import app

app()
