"""Which commands may copy their outputs from another experiment (`tgl.provenance.reuse`). Imports nothing."""

# The workflow sets this variable to the experiment's folder where jobs may copy from the experiments next to it.
REUSE = "TGL_REUSE"
# These can take long, and their outputs depend on nothing but what a manifest records.
REUSABLE = frozenset({"pages", "documents", "diff", "tokenizer", "pack", "base"})
