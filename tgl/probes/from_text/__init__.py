"""Find probes in the sentences of snapshots."""
