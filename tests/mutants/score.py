"""How many mutants the suite killed, in one line."""

from collections import Counter
from collections.abc import Mapping, Sequence

from tests.mutants.mutant import Mutant


def score(killed: Mapping[str, bool], mutants: Sequence[Mutant]) -> str:
    """The line for the mutants that ran: `killed` says of each, by name, whether it was."""
    survivors = [name for name, dead in killed.items() if not dead]
    counts = Counter(mutant.rule for mutant in mutants).values()
    dead = len(killed) - len(survivors)
    line = f"mutants: {dead} of {len(killed)} killed"
    if len(killed) == len(mutants):
        line += f" ({len(counts)} rules, {min(counts)} to {max(counts)} each)"
    else:
        line += f", of those run ({len(mutants)} in all)"
    return f"{line}; survived: {', '.join(survivors)}" if survivors else line
