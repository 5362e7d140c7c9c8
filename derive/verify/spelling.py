"""How the arrays of a program are spelled: in the notes' own symbols, in LaTeX."""

from __future__ import annotations

from derive.calculus import COTANGENT, SEED
from derive.notes.meaning import Reader
from derive.notes.places import symbol_latex
from derive.show import Names, latex_name


def spelled_by(reader: Reader) -> Names:
    """The notes' symbols; a cotangent of which they have none is that of its array's symbol."""

    def names(name: str, label: str | None) -> str:
        array = reader.ground.program.arrays.get(name)
        return plain(name, label) + (r"^\top" if array and reader.is_turned(array.tensor) else "")

    def plain(name: str, label: str | None) -> str:
        array = reader.ground.program.arrays.get(name)
        number = f"[{array.labels.index(label)}]" if array and label else ""
        if known := reader.spellings.get(name + number):
            mark, symbol = known
            return reader.cotangent_latex(reader.symbol_latex(symbol)) if mark else reader.symbol_latex(symbol)
        if array and array.role == "cotangent" and not name.startswith(SEED):
            return reader.cotangent_latex(plain(name.removeprefix(COTANGENT), label))
        if label and name in reader.spellings:
            return symbol_latex(f"{reader.spellings[name][1]}_{label}")
        return latex_name(name, label)

    return names
