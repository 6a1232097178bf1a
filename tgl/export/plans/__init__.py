"""Write plans in the formats of other training tools. `tgl.export.plans.formats` lists the formats."""
