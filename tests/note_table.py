"""The correct sets of notes under tests/notes: their notations and what their equations say."""

from __future__ import annotations

from tests.note_formulas import Spelling
from tests.note_sets import NoteSet

LSTM_GATES = ("i = sig(a_i)", "f = sig(a_f)", "o = sig(a_o)", "g = tanh(a_g)")
LSTM_STATE = ("c = f * c_p + i * g", "h = o * tanh(c)")

_ASSIGNMENT = Spelling(
    symbols={"a": "a", "x": "x", "Wx": "W_x", "Wh": "W_h", "b": "b"}
    | {gate: gate for gate in "ifog"}
    | {f"a_{gate}": f"a_{gate}" for gate in "ifog"},
    cotangent="d@",
    special={
        **{"h": "h_{next}", "c": "c_{next}", "h_p": "h_{prev}", "c_p": "c_{prev}"},
        **{"dh": "dh_{next}", "gc": "dc_{next}", "dc": "dc"},
    },
    product=r" \cdot",
    transpose="^T",
    over_batch=r"\sum_{n=1}^{N}",
)
ASSIGNMENT = NoteSet(
    name="lstm_assignment.md",
    spelling=_ASSIGNMENT,
    shapes={"x": ("D",), "Wx": ("D", "4H"), "Wh": ("H", "4H"), "b": ("4H",)},
    states=("h", "c"),
    forward=("a = x @ Wx + h_p @ Wh + b", "[a_i, a_f, a_o, a_g] = a", *LSTM_GATES, *LSTM_STATE),
    backward={
        "1": "do = dh * tanh(c)",
        "2": "dc = gc + dh * o * (1 - tanh(c)**2)",
        "3": "df = dc * c_p",
        "4": "di = dc * g",
        "5": "dg = dc * i",
        "6": "dc_p = dc * f",
        "7": "da_i = di * i * (1 - i)",
        "8": "da_f = df * f * (1 - f)",
        "9": "da_o = do * o * (1 - o)",
        "10": "da_g = dg * (1 - g**2)",
        "11": "dx = da @ Wx.T",
        "12": "dh_p = da @ Wh.T",
        "13": "dWx = x.T @ da",
        "14": "dWh = h_p.T @ da",
        "15": "db = sum_n(da)",
    },
    batch=True,
    columns=False,
)

_GREFF = Spelling(
    symbols={
        **{"x": "x^{@}", "y": "y^{@}", "c": "c^{@}"},
        **{gate: f"{gate}^{{@}}" for gate in "zifo"},
        **{f"a_{gate}": rf"\bar {gate}^{{@}}" for gate in "zifo"},
        **{f"{letter}{gate}": f"{letter}_{gate}" for letter in "WRb" for gate in "zifo"},
        **{f"p{gate}": f"p_{gate}" for gate in "ifo"},
    },
    cotangent=r"\delta @",
    special={"h": "y^{t}", "h_p": "y^{t-1}", "gh": r"\Delta^{t}", "dh": r"\delta y^{t}"},
    steps=("t", "t-1", "t+1"),
    transpose="^T",
    over_time=r"\sum_{t=1}^{T}",
)
_GATE = "a_{0} = W{0} @ x + R{0} @ h_p + {1}b{0}"
PEEPHOLE = NoteSet(
    name="peephole_deltas.md",
    spelling=_GREFF,
    shapes={
        **{"x": ("D",)},
        **{f"W{gate}": ("H", "D") for gate in "zifo"},
        **{f"R{gate}": ("H", "H") for gate in "zifo"},
        **{f"b{gate}": ("H",) for gate in "zifo"},
        **{f"p{gate}": ("H",) for gate in "ifo"},
    },
    states=("h", "c"),
    forward=(
        _GATE.format("z", ""),
        "z = tanh(a_z)",
        _GATE.format("i", "pi * c_p + "),
        "i = sig(a_i)",
        _GATE.format("f", "pf * c_p + "),
        "f = sig(a_f)",
        "c = z * i + c_p * f",
        _GATE.format("o", "po * c + "),
        "o = sig(a_o)",
        "h = tanh(c) * o",
    ),
    backward={
        "11": "dh = gh + Rz.T @ da_z_n + Ri.T @ da_i_n + Rf.T @ da_f_n + Ro.T @ da_o_n",
        "12": "da_o = dh * tanh(c) * dsig(a_o)",
        "13": "dc = dh * o * (1 - tanh(c)**2) + po * da_o + pi * da_i_n + pf * da_f_n + dc_n * f_n",
        "14": "da_f = dc * c_p * dsig(a_f)",
        "15": "da_i = dc * z * dsig(a_i)",
        "16": "da_z = dc * i * (1 - z**2)",
        "17": "dWi = sum_t(da_i @ x.T)",
        "18": "dRz = sum_t(da_z @ h_p.T)",
        "19": "dpf = sum_t(c_p * da_f)",
        "20": "dpo = sum_t(c * da_o)",
        "21": "dbo = sum_t(da_o)",
    },
    through_time=True,
)

FRACTIONS = Spelling(
    symbols={
        **{"x": "x_@", "h": "h_@", "z": "z_@", "r": "r_@", "g": r"\tilde{h}_@"},
        **{f"a_{gate}": f"a^{gate}_@" for gate in "zr"},
        **{"a_g": "a^h_@", "Wg": "W_h", "Ug": "U_h", "bg": "b_h"},
        **{f"{letter}{gate}": f"{letter}_{gate}" for letter in "WUb" for gate in "zr"},
    },
    cotangent=r"\frac{\partial L}{\partial @}",
    entrywise=r"\circ",
)
GRU = NoteSet(
    name="gru_fractions.tex",
    spelling=FRACTIONS,
    shapes={
        **{"x": ("D",)},
        **{f"W{gate}": ("H", "D") for gate in "zrg"},
        **{f"U{gate}": ("H", "H") for gate in "zrg"},
        **{f"b{gate}": ("H",) for gate in "zrg"},
    },
    states=("h",),
    forward=(
        "a_z = Wz @ x + Uz @ h_p + bz",
        "a_r = Wr @ x + Ur @ h_p + br",
        "z = sig(a_z)",
        "r = sig(a_r)",
        "a_g = Wg @ x + Ug @ (r * h_p) + bg",
        "g = tanh(a_g)",
        "h = (1 - z) * h_p + z * g",
    ),
    backward={
        "8": "dz = dh * (g - h_p)",
        "9": "dg = dh * z",
        "10": "da_g = dg * (1 - g**2)",
        "11": "dr = h_p * (Ug.T @ da_g)",
        "12": "da_z = dz * z * (1 - z)",
        "13": "da_r = dr * r * (1 - r)",
        "14": "dh_p = dh * (1 - z) + r * (Ug.T @ da_g) + Uz.T @ da_z + Ur.T @ da_r",
        "15": "dx = Wg.T @ da_g + Wz.T @ da_z + Wr.T @ da_r",
        "16": "dUg = da_g @ (r * h_p).T",
        "17": "dUz = da_z @ h_p.T",
        "18": "dWr = da_r @ x.T",
        "19": "dbz = da_z",
    },
)

OVERBARS = Spelling(
    symbols={
        **{name: name for name in ("x", "h", "z", "r", "n", "s", "u", "v", "w")},
        **{f"{letter}{gate}": f"{letter}_{gate}" for letter in "WUb" for gate in "zrn"},
        "cn": "c_n",
    },
    cotangent=r"\bar{@}",
    special={"h_p": "h_{prev}", "dh_p": r"\bar{h}_{prev}"}
    | {f"d{letter}{gate}": rf"\bar{{{letter}}}_{gate}" for letter in "WUb" for gate in "zrn"}
    | {"dcn": r"\bar{c}_n"},
    entrywise="*",
    transpose="^T",
    over_batch=r"\sum_{batch}",
)
GRU_AFTER = NoteSet(
    name="gru_reset_after_bars.md",
    spelling=OVERBARS,
    shapes={
        **{"x": ("D",)},
        **{f"W{gate}": ("D", "H") for gate in "zrn"},
        **{f"U{gate}": ("H", "H") for gate in "zrn"},
        **{f"b{gate}": ("H",) for gate in "zrn"},
        "cn": ("H",),
    },
    states=("h",),
    forward=(
        "u = x @ Wz + h_p @ Uz + bz",
        "z = sig(u)",
        "v = x @ Wr + h_p @ Ur + br",
        "r = sig(v)",
        "s = h_p @ Un + cn",
        "w = x @ Wn + r * s + bn",
        "n = tanh(w)",
        "h = (1 - z) * n + z * h_p",
    ),
    backward={
        "9": "dz = dh * (h_p - n)",
        "10": "dn = dh * (1 - z)",
        "11": "dw = dn * (1 - n**2)",
        "12": "dr = dw * s",
        "13": "ds = dw * r",
        "14": "du = dz * z * (1 - z)",
        "15": "dv = dr * r * (1 - r)",
        "16": "dh_p = dh * z + ds @ Un.T + dv @ Ur.T + du @ Uz.T",
        "17": "dx = dw @ Wn.T + dv @ Wr.T + du @ Wz.T",
        "18": "dWn = x.T @ dw",
        "19": "dUn = h_p.T @ ds",
        "20": "dcn = sum_n(ds)",
        "21": "dbr = sum_n(dv)",
    },
    batch=True,
    columns=False,
)

_CONCATENATED = Spelling(
    symbols={
        **{"x": "x_@", "h": "h_@", "C": "C_@", "g": r"\tilde{C}_@", "Wg": "W_C", "bg": "b_C"},
        **{gate: f"{gate}_@" for gate in "ifo"},
        **{f"{letter}{gate}": f"{letter}_{gate}" for letter in "Wb" for gate in "ifo"},
        **{f"a_{gate}": rf"\alpha_{{{gate},@}}" for gate in "ifo"},
    },
    cotangent=r"\delta @",
    special={"gh": r"\frac{\partial L_t}{\partial h_t}"},
    entrywise="*",
    transpose="^T",
    over_time=r"\sum_t",
)
CONCATENATED = NoteSet(
    name="lstm_concatenated.md",
    spelling=_CONCATENATED,
    shapes={
        **{"x": ("D",)},
        **{f"W{gate}": ("H", "D+H") for gate in "ifog"},
        **{f"b{gate}": ("H",) for gate in "ifog"},
    },
    states=("h", "C"),
    forward=(
        "f = sig(Wf @ [h_p, x] + bf)",
        "i = sig(Wi @ [h_p, x] + bi)",
        "o = sig(Wo @ [h_p, x] + bo)",
        "g = tanh(Wg @ [h_p, x] + bg)",
        "C = f * C_p + i * g",
        "h = o * tanh(C)",
    ),
    backward={
        "7": "do = dh * tanh(C)",
        "8": "dC = dh * o * (1 - tanh(C)**2) + dC_n * f_n",
        "9": "df = dC * C_p",
        "10": "di = dC * g",
        "11": "dg = dC * i",
        "12": "dWf = sum_t((df * f * (1 - f)) @ [h_p, x].T)",
        "13": "dWg = sum_t((dg * (1 - g**2)) @ [h_p, x].T)",
        "14": "dbi = sum_t(di * i * (1 - i))",
        "15": "dbo = sum_t(do * o * (1 - o))",
    },
    through_time=True,
)

_NABLA = Spelling(
    symbols={"x": "x^{(@)}", "h": "h^{(@)}", "a": "a^{(@)}", "W": "W", "U": "U", "b": "b"},
    cotangent=r"\nabla_{@} L",
    special={"gh": r"\lambda^{(t)}"},
    steps=("t", "t-1", "t+1"),
)
ELMAN = NoteSet(
    name="elman_nabla.md",
    spelling=_NABLA,
    shapes={"x": ("D",), "U": ("H", "D"), "W": ("H", "H"), "b": ("H",)},
    states=("h",),
    forward=("a = b + W @ h_p + U @ x", "h = tanh(a)"),
    backward={
        "3": "dh = gh + W.T @ diag(1 - h_n**2) @ dh_n",
        "4": "da = diag(1 - h**2) @ dh",
        "5": "dx = U.T @ diag(1 - h**2) @ dh",
        "6": "db = sum_t(diag(1 - h**2) @ dh)",
        "7": "dW = sum_t(diag(1 - h**2) @ dh @ h_p.T)",
        "8": "dU = sum_t(diag(1 - h**2) @ dh @ x.T)",
    },
    through_time=True,
)

RIGHT = (ASSIGNMENT, PEEPHOLE, GRU, GRU_AFTER, CONCATENATED, ELMAN)
