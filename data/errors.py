"""The exception for everything that a user can mend."""


class InputError(Exception):
    """One line that says what is wrong, where, and what to do. The command line exits with 2."""

    def __init__(self, line: str):
        super().__init__(one_line(line))


def is_utf8(name: str) -> bool:
    """Whether a name that the system returned is of text, and can be written into a file."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def words(error: Exception) -> str:
    """What an error says, without Python's advice to programmers."""
    return one_line(str(error).partition("; use sys.")[0])


def one_line(text: str) -> str:
    """What a file calls a picture may hold the end of a line: it is shown, not obeyed."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
