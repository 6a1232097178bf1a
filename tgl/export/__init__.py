"""Export the tables of an experiment as dataset folders for `datasets`, each with a dataset card."""
