"""Real text with counterfactual facts: updates for a pretrained model whose knowledge is known."""
