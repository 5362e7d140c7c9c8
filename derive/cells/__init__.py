"""The cells that handgrad ships: one file of forward equations each."""

from derive.cells.gru import GRU
from derive.cells.gru_reset_after import GRUResetAfter
from derive.cells.indrnn import Indrnn
from derive.cells.lstm import LSTM
from derive.cells.lstm_coupled import LSTMCoupled
from derive.cells.lstm_layernorm import LSTMLayernorm
from derive.cells.lstm_peephole import LSTMPeephole
from derive.cells.lstm_projection import LSTMProjection
from derive.cells.mgu import MGU
from derive.cells.min_gru import MinGRU
from derive.cells.min_lstm import MinLSTM
from derive.cells.mlstm import MLSTM
from derive.cells.rnn_relu import RNNRelu
from derive.cells.rnn_tanh import RNNTanh
from derive.cells.slstm import SLSTM
from derive.program import Program

CELLS: dict[str, Program] = {
    cell.program.name: cell.program
    for cell in (
        RNNTanh,
        RNNRelu,
        LSTM,
        LSTMPeephole,
        LSTMCoupled,
        LSTMProjection,
        LSTMLayernorm,
        GRU,
        GRUResetAfter,
        MGU,
        Indrnn,
        MinGRU,
        MinLSTM,
        SLSTM,
        MLSTM,
    )
}
