"""Generate the synthetic world: articles about entities whose facts change from one date to the next."""
