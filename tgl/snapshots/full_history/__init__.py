"""Make snapshots of any date from the full history of a wiki."""
