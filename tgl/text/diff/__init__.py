"""Find new and changed sentences between two snapshots."""
