"""What is new between two snapshots."""
