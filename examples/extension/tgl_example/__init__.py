"""One policy, baseline, set of probes, source of snapshots and architecture for tgl."""
