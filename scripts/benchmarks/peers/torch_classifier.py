"""A classifier of lstm_jax as the same network in PyTorch: that of a run, or one to be trained."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch._dynamo  # optimizers import it when they are made: not to be measured then
from torch.nn.functional import cross_entropy, dropout

from scripts.benchmarks.classifier import ModelWeights, Sizes, lstm_jax_params
from scripts.benchmarks.measuring import Train


class TorchClassifier(torch.nn.Module):
    """Embedding, layers of `torch.nn.LSTM`, pooling, head: with given weights of lstm_jax.

    A backward layer is one of its own that reads each text from its last word, for
    `bidirectional=True` would begin with the padding. With `packed` the layers are given packed
    sequences, which know where each text ends. In training, words are read as the token 0 at the
    rate `word_dropout`; at the rate `dropout` what goes into a layer and what leaves the last one
    loses the same elements at all steps, and what the head reads is dropped at the same rate.
    """

    def __init__(
        self,
        params: Any,
        *,
        pooling: str,
        bidirectional: bool,
        packed: bool = False,
        dropout: float = 0.0,
        word_dropout: float = 0.0,
    ):
        super().__init__()
        self.pooling, self.packed, self.bidirectional = pooling, packed, bidirectional
        self.dropout, self.word_dropout = dropout, word_dropout
        table = _tensor(params["embedding"]["table"])
        self.embedding = torch.nn.Embedding.from_pretrained(table, freeze=False)
        self.layers = torch.nn.ModuleList()
        for layer in params["stack"]["layers"].values():
            both = [layer["forward"], layer["backward"]] if bidirectional else [layer]
            self.layers.append(torch.nn.ModuleList(_lstm(one) for one in both))
        self.head = torch.nn.ModuleList(_linear(layer) for layer in params["head"].values())

    def forward(self, tokens: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Logits [batch, classes] of tokens [batch, time]."""
        steps = torch.arange(tokens.shape[1])
        valid = (steps < lengths[:, None])[..., None]
        # Each text from its end; what stands behind its length stays there.
        turned = torch.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)[
            ..., None
        ]
        hidden = self.embedding(self._read_some_as_unknown(tokens))
        layer: Any  # PyTorch does not say what a list of modules holds
        for layer in self.layers:
            hidden = self._drop_at_all_steps(hidden)
            outputs = [self._run(layer[0], hidden, lengths)]
            if self.bidirectional:
                backward = self._run(layer[1], _pick(hidden, turned), lengths)
                outputs.append(_pick(backward, turned))
            hidden = torch.cat(outputs, dim=-1)
        features = self._pool(self._drop_at_all_steps(hidden), valid, lengths)
        for place, layer in enumerate(self.head):
            features = layer(dropout(features, self.dropout, self.training))
            features = features if place == len(self.head) - 1 else torch.relu(features)
        return features

    def _read_some_as_unknown(self, tokens: torch.Tensor) -> torch.Tensor:
        if not (self.training and self.word_dropout):
            return tokens
        kept = torch.rand(tokens.shape) >= self.word_dropout
        kept[:, 0] = True
        return tokens * kept

    def _drop_at_all_steps(self, hidden: torch.Tensor) -> torch.Tensor:
        if not (self.training and self.dropout):
            return hidden
        return hidden * dropout(torch.ones_like(hidden[:, :1]), self.dropout)

    def _run(
        self, layer: torch.nn.Module, inputs: torch.Tensor, lengths: torch.Tensor
    ) -> torch.Tensor:
        if not self.packed:
            return layer(inputs)[0]
        pack = torch.nn.utils.rnn.pack_padded_sequence
        outputs = layer(pack(inputs, lengths, batch_first=True, enforce_sorted=False))[0]
        size = inputs.shape[1]
        unpack = torch.nn.utils.rnn.pad_packed_sequence
        return unpack(outputs, batch_first=True, total_length=size)[0]

    def _pool(
        self, outputs: torch.Tensor, valid: torch.Tensor, lengths: torch.Tensor
    ) -> torch.Tensor:
        last = outputs[torch.arange(len(outputs)), lengths - 1]
        if self.bidirectional:
            half = outputs.shape[-1] // 2
            last = torch.cat([last[:, :half], outputs[:, 0, half:]], dim=-1)
        most = outputs.masked_fill(~valid, -torch.inf).amax(dim=1)
        mean = outputs.masked_fill(~valid, 0.0).sum(dim=1) / lengths[:, None]
        pooled = {"last": [last], "max": [most], "mean": [mean], "concatenated": [last, most, mean]}
        return torch.cat(pooled[self.pooling], dim=-1)


def of_run(task: Any, params: Any, packed: bool) -> TorchClassifier:
    """The network of a run of `Classification`, as it predicts.

    Raises:
        ValueError: the run's cells are not plain LSTMs, or its pooling is attention.
    """
    from lstm_jax.cells import LSTM  # not to be loaded where PyTorch alone is measured

    if not isinstance(task.cell, LSTM) or task.cell.peepholes or task.pooling == "attention":
        raise ValueError("only LSTMs without peepholes, and no attention, are compared")
    options = {"pooling": task.pooling, "bidirectional": task.bidirectional}
    return TorchClassifier(params, packed=packed, **options).eval()


def build(sizes: Sizes, weights: ModelWeights) -> Train:
    """Training with `torch.optim.Adam`."""
    torch.manual_seed(0)
    model = TorchClassifier(
        lstm_jax_params(weights),
        pooling="concatenated",
        bidirectional=True,
        dropout=sizes.dropout,
        word_dropout=sizes.word_dropout,
    )
    # In one pass over each parameter, as XLA compiles it.
    optimizer = torch.optim.Adam(model.parameters(), lr=sizes.learning_rate, fused=True)

    def train(batches: Sequence[tuple[np.ndarray, ...]]) -> np.ndarray:
        losses = []
        for batch in batches:
            tokens, lengths, labels = (torch.from_numpy(array).long() for array in batch)
            optimizer.zero_grad()
            loss = cross_entropy(model(tokens.T, lengths), labels)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), sizes.clip_norm)
            optimizer.step()
            losses.append(loss.detach())
        return np.array([loss.item() for loss in losses])

    return train


def predict(model: TorchClassifier, sequences: list[np.ndarray], batch_size: int) -> np.ndarray:
    """The logits of all sequences, in batches in the order given, each padded to its longest."""
    logits = []
    with torch.inference_mode():
        for begin in range(0, len(sequences), batch_size):
            batch = [torch.from_numpy(one).long() for one in sequences[begin : begin + batch_size]]
            lengths = torch.tensor([len(one) for one in batch])
            padded = torch.nn.utils.rnn.pad_sequence(batch, batch_first=True)
            logits.append(model(padded, lengths).numpy())
    return np.concatenate(logits)


def _pick(values: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    return values.gather(1, places.expand(-1, -1, values.shape[-1]))


def _tensor(array: Any) -> torch.Tensor:
    return torch.from_numpy(np.array(array))


def _lstm(params: Any) -> torch.nn.LSTM:
    """The gates have the same order; the second of PyTorch's two biases stays zero."""
    features, gates = params["input_kernel"].shape
    layer = torch.nn.LSTM(features, gates // 4, batch_first=True)
    state = {
        "weight_ih_l0": _tensor(params["input_kernel"]).T,
        "weight_hh_l0": _tensor(params["recurrent_kernel"]).T,
        "bias_ih_l0": _tensor(params["bias"]),
        "bias_hh_l0": torch.zeros(gates),
    }
    layer.load_state_dict(state)
    layer.bias_hh_l0.requires_grad_(False)
    return layer


def _linear(params: Any) -> torch.nn.Linear:
    layer = torch.nn.Linear(*params["kernel"].shape)
    layer.load_state_dict({"weight": _tensor(params["kernel"]).T, "bias": _tensor(params["bias"])})
    return layer
