"""Names that stages without torch share with `tgl.sublayers`."""

EMBEDDING = "embedding"
