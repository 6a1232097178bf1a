"""The baselines, one module each with the class `BASELINE`. `tgl.train.baseline` defines their interface."""
