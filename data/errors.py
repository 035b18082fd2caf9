"""The exception for everything that a user can mend."""


class InputError(Exception):
    """One line that says what is wrong, where, and what to do. The command line exits with 2."""

    def __init__(self, line: str):
        # what a file calls a picture may hold the end of a line: it is shown, not obeyed
        super().__init__("".join(c if c.isprintable() else repr(c)[1:-1] for c in line))
