"""Tables of an experiment as folders that others load with `datasets`, each with a card."""
