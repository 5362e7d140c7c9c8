"""What stands below and above a symbol: labels, times, bounds."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from derive.errors import NotesError

_BOUND = re.compile(r"(\d*)\*?((?:\\?[A-Za-z]\w*)?)(?:\+1)?")
_WORDS = {"prev": "prev", "-": "prev", "next": "next", "+": "next"}


@dataclass(frozen=True)
class Clock:
    """The letter that counts the steps: in ``h_{k-1}`` it is k; 0 where h_0, h and h_1 are three steps.

    Attributes:
        last: whether T is the last step, rather than a quantity.
    """

    letter: str = "t"
    last: bool = True

    def time(self, text: str) -> str | None:
        """A time under its usual name, ``t-1`` for ``(k-1)``; None if the text is none."""
        bare = re.sub(r"^(?:\(|\[|<|\\langle)|(?:\)|\]|>|\\rangle)$", "", text)
        if bare in _WORDS:
            return _WORDS[bare]
        if self.letter == "0":
            return {"0": "prev", "1": "next"}.get(bare)
        if bare in {"T", "\\tau"} and self.letter != bare and self.last:
            return "T"
        return self.step(bare)

    def step(self, text: str) -> str | None:
        """The step that a text counts, by the letter; None if it counts none."""
        found = re.fullmatch(rf"{re.escape(self.letter)}([+-]1)?", text)
        return f"t{found[1] or ''}" if found else None


@dataclass(frozen=True)
class Slot:
    """A symbol's letter with its labels and its time."""

    letter: str
    labels: tuple[str, ...] = ()
    time: str | None = None

    @property
    def name(self) -> str:
        return "_".join([self.letter, *self.labels, *([self.time] if self.time else [])])

    def with_script(self, script: list[str], clock: Clock) -> Slot:
        """The slot with what one script says, whose parts commas separate."""
        slot = self
        for part in "".join(script).split(","):
            label, _, last = part.rpartition("_")
            if not re.fullmatch(r"[\w\\+\-*()\[\]<>~'. ]+", part):
                raise NotesError(f"the script {part!r} is not understood")
            if time := clock.time(part):
                # δc_t^{next} is marked by its word, whatever the step is.
                slot = slot if slot.time in _WORDS.values() else replace(slot, time=time)
            elif label and (time := clock.time(last)):
                slot = replace(slot, labels=(*slot.labels, label), time=time)
            else:
                # In braces a T is a label that nobody takes for the last step.
                slot = replace(slot, labels=(*slot.labels, "{T}" if part == "T" else _bare(part)))
        return slot


def _bare(label: str) -> str:
    """``(f)`` → f."""
    return label[1:-1] if len(label) > 2 and label[0] in "([" and label[-1] in ")]" else label


def sum_range(below: str, above: str, clock: Clock) -> tuple[str, str]:
    """The index of a sum, ``t`` for the one over the steps, and where it is said to begin.

    Raises:
        NotesError: if the sum leaves something out.
    """
    index, _, first = below.partition("=")
    if clock.time(above) not in {None, "T"} and clock.time(index) != "t":
        raise NotesError(f"the sum over {index} before it runs over earlier steps")
    if not re.fullmatch(r"\\?\w*(?:\\in[\\\w]+)?", index):
        raise NotesError(f"the range {index} of the sum before it is not understood")
    index = "t" if clock.time(index) == "t" else index
    # Over time the first step is 0 or 1 as one likes, and a sum of δ_{t+1} h_t ends one step early.
    starts = {"", "0", "1", "2"} if index == "t" else {"", "0", "1"}
    early = above.endswith("-1")
    whole = first in starts and (not early or index == "t" or first == "0") and (index == "t" or first != "0" or early)
    whole = whole and (index == "t" or not above.startswith("T"))
    if not whole or not re.fullmatch(r"(\\?[A-Za-z]\w*(-1)?)?", above):
        raise NotesError(f"the sum over {index} before it should run over all of 1 … {index.upper()}")
    return index, first


def bound(text: str) -> tuple[int, str] | None:
    """A slice's bound as a multiple of a size, ``2H`` → (2, H); None for either end.

    Raises:
        NotesError: if it is neither.
    """
    if re.fullmatch(r"\d*\w+\+\d*[A-Za-z_]\w*", text):  # D+H, the end of the part after D
        return None
    found = _BOUND.fullmatch(text)
    if not found or (found[1] not in {"", "0", "1"} and not found[2]):
        raise NotesError(f"the bound {text!r} of a slice before it is no multiple of a size")
    if not found[2]:
        return None
    return (int(found[1] or 1), found[2])
