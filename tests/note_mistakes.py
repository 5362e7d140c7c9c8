"""The sets of notes under tests/notes with the mistakes that people make."""

from __future__ import annotations

from tests.note_formulas import Spelling
from tests.note_sets import NoteSet
from tests.note_table import FRACTIONS, GRU, GRU_AFTER, LSTM_GATES, LSTM_STATE, OVERBARS, PEEPHOLE

_STACKED = Spelling(
    symbols={"v": "v", "a": "a", "x": "x", "W": "W", "b": "b"}
    | {gate: gate for gate in "ifog"}
    | {f"a_{gate}": f"a_{gate}" for gate in "ifog"},
    cotangent=r"\partial @",
    special={
        **{"h": "h_{next}", "c": "c_{next}", "h_p": "h_{prev}", "c_p": "c_{prev}"},
        **{"dh": r"d_{next-h}", "gc": r"d_{next-c}"},
    },
    transpose="^T",
    over_batch=r"\sum_n",
)
STACKED = NoteSet(
    name="lstm_stacked_wrong.md",
    spelling=_STACKED,
    shapes={"x": ("D",), "W": ("D+H", "4H"), "b": ("4H",)},
    states=("h", "c"),
    forward=("v = [x, h_p]", "a = v @ W + b", "[a_i, a_f, a_o, a_g] = a", *LSTM_GATES, *LSTM_STATE),
    backward={
        "eq 1": "do = dh * tanh(c)",
        "eq 2": "dc = dh * o * (1 - tanh(c)**2)",
        "eq 3": "di = dc * g",
        "eq 4": "dg = dc * i",
        "eq 5": "df = dc * c_p",
        "eq 6": "da_i = di * i * (1 - i)",
        "eq 7": "da_f = df * f",
        "eq 8": "da_o = do * o * (1 - o)",
        "eq 9": "da_g = dg * (1 - g**2)",
        "eq 10": "dW = v.T @ da",
        "eq 11": "db = da",
        "eq 12": "dv = da @ W.T",
        "eq 13": "dc_p = dc * f",
    },
    corrected={
        "eq 2": "dc = dh * o * (1 - tanh(c)**2) + gc",
        "eq 7": "da_f = df * f * (1 - f)",
        "eq 11": "db = sum_n(da)",
    },
    batch=True,
    columns=False,
)

_SEPARATE = Spelling(
    symbols={
        **{name: f"{name}_@" for name in "xhcifog"},
        **{f"a_{gate}": f"a^{gate}_@" for gate in "ifog"},
        **{f"{letter}{gate}": f"{letter}_{gate}" for letter in "WUb" for gate in "ifog"},
    },
    cotangent=r"\delta @",
    special={"gc": r"\delta c_{next}"},
)
SEPARATE = NoteSet(
    name="lstm_separate_wrong.md",
    spelling=_SEPARATE,
    shapes={
        **{"x": ("D",)},
        **{f"W{gate}": ("H", "D") for gate in "ifog"},
        **{f"U{gate}": ("H", "H") for gate in "ifog"},
        **{f"b{gate}": ("H",) for gate in "ifog"},
    },
    states=("h", "c"),
    forward=(
        *(f"a_{gate} = W{gate} @ x + U{gate} @ h_p + b{gate}" for gate in "ifog"),
        *LSTM_GATES,
        *LSTM_STATE,
    ),
    backward={
        "1": "do = dh * tanh(c)",
        "2": "dc = dh * o * (1 - tanh(c))**2 + gc",
        "3": "df = dc * c",
        "4": "di = dc * g",
        "5": "dg = dc * i",
        "6": "da_f = df * f * (1 - f)",
        "7": "da_g = dg * (1 - g**2)",
        "8": "dUf = da_f @ h_p.T",
        "9": "dWg = da_g @ x.T",
        "10": "dh_p = Ui.T @ da_i + Uf.T @ da_f + Uo.T @ da_o + Ug.T @ da_g",
        "11": "dc_p = dc * f",
    },
    corrected={"2": "dc = dh * o * (1 - tanh(c)**2) + gc", "3": "df = dc * c_p"},
)

_DELTAS = Spelling(
    symbols={**FRACTIONS.symbols, **{f"a_{gate}": f"a^{gate}_@" for gate in "zr"}, "a_g": "a^h_@"},
    cotangent=r"\delta @",
    entrywise=r"\circ",
)
GRU_WRONG = NoteSet(
    name="gru_deltas_wrong.tex",
    spelling=_DELTAS,
    shapes=GRU.shapes,
    states=GRU.states,
    forward=GRU.forward,
    backward={
        "8": "dz = dh * (g - h)",
        "9": "dg = dh * z",
        "10": "da_g = dg * (1 - g**2)",
        "11": "dr = (Wg.T @ da_g) * h_p",
        "12": "da_z = dz * z * (1 - z)",
        "13": "da_r = dr * r * (1 - r)",
        "14": "dh_p = dh * (1 - z) + (Ug.T @ da_g) * r + Uz.T @ da_z + Ur.T @ da_r",
        "15": "dUg = da_g @ (r * h_p).T",
        "16": "dWz = da_z @ x.T",
        "17": "dbr = da_r",
    },
    corrected={"8": "dz = dh * (g - h_p)", "11": "dr = (Ug.T @ da_g) * h_p"},
)

_TORCH = Spelling(
    symbols=OVERBARS.symbols,
    cotangent="d@",
    special={"h_p": "h_{prev}", "dh_p": "dh_{prev}"},
    entrywise="*",
    product=r" \cdot",
    transpose="^T",
    over_batch=r"\sum_{batch}",
)
GRU_AFTER_WRONG = NoteSet(
    name="gru_reset_after_wrong.md",
    spelling=_TORCH,
    shapes=GRU_AFTER.shapes,
    states=GRU_AFTER.states,
    forward=GRU_AFTER.forward,
    backward={
        **{"9": "dz = dh * (h_p - n)", "10": "dn = dh * (1 - z)", "11": "dw = dn * (1 - n**2)"},
        **{"12": "dr = dw * s", "13": "ds = dw * r", "14": "du = dz * z * (1 - z)", "15": "dv = dr * r * (1 - r)"},
        "16": "dh_p = dh * z + (ds @ Un.T) * (dv @ Ur.T) + du @ Uz.T",
        "17": "dUn = h_p.T @ dw",
        "18": "dWr = x.T @ dv",
        "19": "dbn = sum_n(dw)",
    },
    corrected={"16": "dh_p = dh * z + ds @ Un.T + dv @ Ur.T + du @ Uz.T", "17": "dUn = h_p.T @ ds"},
    batch=True,
    columns=False,
)

_PARTIALS = Spelling(
    symbols={
        **{name: f"{name}_@" for name in "xhczifo"},
        **{f"a_{gate}": f"a_{{{gate},@}}" for gate in "zifo"},
        **{f"{letter}{gate}": f"{letter}_{gate}" for letter in "WRb" for gate in "zifo"},
        **{f"p{gate}": f"p_{gate}" for gate in "ifo"},
    },
    cotangent=r"\frac{\partial E}{\partial @}",
    steps=("t", "t-1", "t+1"),
    special={
        **{"gh": r"\frac{\partial E_t}{\partial h_t}"},
        **{f"{name}_p": f"{name}_{{t-1}}" for name in "hc"},
        **{f"{name}_n": f"{name}_{{t+1}}" for name in "cf"},
    },
    over_time=r"\sum_{t=1}^{T}",
)
PEEPHOLE_WRONG = NoteSet(
    name="peephole_partials_wrong.md",
    spelling=_PARTIALS,
    shapes=PEEPHOLE.shapes,
    states=PEEPHOLE.states,
    forward=PEEPHOLE.forward,
    backward={
        "11": "dh = gh + Rz.T @ da_z_n + Ri.T @ da_i_n + Rf.T @ da_f_n + Ro.T @ da_o_n",
        "12": "da_o = dh * tanh(c) * o * (1 - o)",
        "13": "dc = dh * o * (1 - tanh(c)**2) + po * da_o + pi * da_i_n + pf * da_f_n + dc_n * f_n",
        "14": "di = dc * i",
        "15": "dz = dc * z",
        "16": "df = dc * c_p",
        "17": "da_i = di * i * (1 - i)",
        "18": "da_z = dz * (1 - z**2)",
        "19": "da_f = df * f * (1 - f)",
        "20": "dWf = sum_t(da_f @ x.T)",
        "21": "dpi = sum_t(da_i * c_p)",
    },
    corrected={"14": "di = dc * z", "15": "dz = dc * i"},
    through_time=True,
)

_BRACKETS = Spelling(
    symbols={
        **{"x": r"x^{\langle @ \rangle}", "h": r"a^{\langle @ \rangle}", "z": r"z^{\langle @ \rangle}"},
        **{"y": r"y^{\langle @ \rangle}", "Wx": "W_{ax}", "Wh": "W_{aa}", "Wy": "W_{ya}", "b": "b_a", "by": "b_y"},
    },
    cotangent="d@",
    steps=("t", "t-1", "t+1"),
    entrywise="*",
    transpose="^T",
    over_time=r"\sum_{t}",
)
ELMAN_WRONG = NoteSet(
    name="elman_brackets_wrong.md",
    spelling=_BRACKETS,
    shapes={"x": ("D",), "Wx": ("H", "D"), "Wh": ("H", "H"), "Wy": ("O", "H"), "b": ("H",), "by": ("O",)},
    states=("h",),
    forward=("z = Wx @ x + Wh @ h_p + b", "h = tanh(z)", "y = Wy @ h + by"),
    backward={
        "4": "dWy = sum_t(dy @ h.T)",
        "5": "dby = sum_t(dy)",
        "6": "dh = Wy.T @ dy",
        "7": "dz = dh * (1 - h**2)",
        "8": "dWx = sum_t(dz @ x.T)",
        "9": "dWh = sum_t(dz @ h_p.T)",
        "10": "db = sum_t(dz)",
        "11": "dx = Wx.T @ dz",
    },
    corrected={"6": "dh = Wy.T @ dy + Wh.T @ dz_n"},
    read=("y",),
    through_time=True,
)

WRONG = (STACKED, SEPARATE, GRU_WRONG, GRU_AFTER_WRONG, PEEPHOLE_WRONG, ELMAN_WRONG)
