"""The errors that handgrad raises on purpose; the command line turns each into one line and exit code 2."""


class HandgradError(Exception):
    """Bad input: the message names the thing, what was expected and what came."""


class CellError(HandgradError):
    """A cell or program that is declared wrongly."""


class ShapeError(HandgradError):
    """An operation whose operands' shapes do not fit."""


class NotesError(HandgradError):
    """Notes that cannot be read: an unknown token, an unknown symbol, a broken formula."""


class SettingError(NotesError):
    """Front matter that cannot be followed."""
