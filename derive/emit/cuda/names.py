"""Names in the generated CUDA files: those that they need themselves, and those that C++ does not allow."""

from __future__ import annotations

from derive.emit.signature import dim_names
from derive.errors import CellError
from derive.functions import FUNCTIONS
from derive.program import Program

_CPP_KEYWORDS = """
    alignas alignof and asm auto bitand bitor bool break case catch char class compl const constexpr continue
    decltype default delete do double else enum explicit export extern false float for friend goto if inline int
    long mutable namespace new noexcept not nullptr operator or private protected public register return short
    signed sizeof static struct switch template this throw true try typedef typename union unsigned using virtual
    void volatile while xor
"""
_IN_KERNELS = f"""
    INFINITY Index Part Pieces REAL Real SLICES Slice Tile Tiling add_product add_slices add_total at block blockDim
    blockIdx column_sums ended fabs gridDim inside k keep_sums larger last_step log1p own own_column own_row part parts
    pieces point power rank rows slices source take_rows threadIdx
    {" ".join(FUNCTIONS)}
"""
_IN_HOST = """
    Any T allocate arguments array buffers cache calls counts driver dtype given gpu gradients keep lengths memory moved
    np order range reverse scratch second sizes source stream swept tape t workspace
"""
_ENDINGS = ("_after", "_before", "_given", "_parts")
_INNER = "__"  # in front of the number of a sum
_BEGINNINGS = ("at_", "largest_", "sum_")


def check_names(derived: Program) -> None:
    """Raise a CellError if an array or a dimension has a name that is taken."""
    dims = dim_names(derived)
    for name in (*derived.arrays, *dims):
        # An array's name may be one of C++ or of the kernels, where it is spelled differently then.
        unspoken = name in _RESPELLED and (name in dims or spelled(name) in derived.arrays)
        both = name in derived.arrays and name in dims
        if (
            name in _IN_HOST.split()
            or both
            or unspoken
            or name.endswith(_ENDINGS)
            or name.startswith(_BEGINNINGS)
            or _INNER in name
        ):
            raise CellError(f"cell {derived.name}: generated CUDA needs the name {name!r} itself")


def spelled(name: str) -> str:
    """The name of an entry in C++; ``do``, the cotangent of o, is a keyword there, and k what products run over."""
    return f"{name}_t" if name in _RESPELLED else name


_RESPELLED = {*_CPP_KEYWORDS.split(), *_IN_KERNELS.split()}
