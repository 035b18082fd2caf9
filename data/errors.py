"""The exception for everything that a user can mend."""


class InputError(Exception):
    """One line that says what is wrong, where, and what to do. The command line exits with 2."""
