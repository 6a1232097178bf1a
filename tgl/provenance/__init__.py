"""Record how every artifact of an experiment was made, check it (`verify`) and print it (`explain`)."""
