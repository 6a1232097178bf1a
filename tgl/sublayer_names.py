"""Names that stages without torch share with `tgl.sublayers`."""

EMBEDDING = "embedding"
ADAPTER = "adapter"
# The units that no plan chooses among.
UNRANKED = (EMBEDDING, ADAPTER)
