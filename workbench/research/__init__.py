"""From what a decision may see to the weights it wants."""
