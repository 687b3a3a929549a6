"""What every engine is asked for: weights by the number of the rebalance. Standard library only, for the algorithm reads it."""

import random

GROSS = 0.98


def weights(rebalance: int, names: int) -> list[float]:
    """Weights of so many names that sum to `GROSS`, new ones at each rebalance, the same for the same number."""
    draw = random.Random(rebalance).random
    shares = [draw() for _ in range(names)]
    whole = sum(shares)
    return [GROSS * share / whole for share in shares]


def ticker(number: int) -> str:
    """The ticker of a name by its number: S000, S001 …"""
    return f"S{number:03d}"
