"""The policies, one module each with the object `POLICY`. `tgl.plans.policy` defines their interface."""
