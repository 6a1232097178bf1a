"""The architectures of models from scratch, one module each. `tgl.models.architecture` defines their interface."""
