"""Every set of notes under tests/notes: its notation and what its equations say."""

from __future__ import annotations

from tests.note_formulas import Spelling
from tests.note_sets import NoteSet

_LSTM_GATES = ("i = sig(a_i)", "f = sig(a_f)", "o = sig(a_o)", "g = tanh(a_g)")
_LSTM_STATE = ("c = f * c_p + i * g", "h = o * tanh(c)")

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
    forward=("a = x @ Wx + h_p @ Wh + b", "[a_i, a_f, a_o, a_g] = a", *_LSTM_GATES, *_LSTM_STATE),
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

_FRACTIONS = Spelling(
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
    spelling=_FRACTIONS,
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

_OVERBARS = Spelling(
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
    spelling=_OVERBARS,
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

# -- and six with the mistakes that people make ---------------------------------------------------------------------

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
    forward=("v = [x, h_p]", "a = v @ W + b", "[a_i, a_f, a_o, a_g] = a", *_LSTM_GATES, *_LSTM_STATE),
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
        *_LSTM_GATES,
        *_LSTM_STATE,
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
    symbols={**_FRACTIONS.symbols, **{f"a_{gate}": f"a^{gate}_@" for gate in "zr"}, "a_g": "a^h_@"},
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
    symbols=_OVERBARS.symbols,
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
