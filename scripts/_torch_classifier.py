"""A trained classifier of lstm_jax as the same network in PyTorch."""

from typing import Any

import numpy as np
import torch

from lstm_jax.cells import LSTM
from lstm_jax.tasks import Classification


class TorchClassifier(torch.nn.Module):
    """Embedding, layers of `torch.nn.LSTM`, pooling, head: with the weights of a run.

    A backward layer is one of its own that reads each text from its last word, for
    `bidirectional=True` would begin with the padding. With `packed` the layers are given packed
    sequences, which know where each text ends.

    Raises:
        ValueError: the run's cells are not plain LSTMs, or its pooling is attention.
    """

    def __init__(self, task: Classification, params: Any, packed: bool):
        super().__init__()
        if not isinstance(task.cell, LSTM) or task.cell.peepholes or task.pooling == "attention":
            raise ValueError("only LSTMs without peepholes, and no attention, are compared")
        self.pooling, self.packed, self.bidirectional = task.pooling, packed, task.bidirectional
        self.embedding = torch.nn.Embedding.from_pretrained(_tensor(params["embedding"]["table"]))
        self.layers = torch.nn.ModuleList()
        for layer in params["stack"]["layers"].values():
            both = [layer["forward"], layer["backward"]] if task.bidirectional else [layer]
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
        hidden = self.embedding(tokens)
        layer: Any  # PyTorch does not say what a list of modules holds
        for layer in self.layers:
            outputs = [self._run(layer[0], hidden, lengths)]
            if self.bidirectional:
                backward = self._run(layer[1], _pick(hidden, turned), lengths)
                outputs.append(_pick(backward, turned))
            hidden = torch.cat(outputs, dim=-1)
        features = self._pool(hidden, valid, lengths)
        for place, layer in enumerate(self.head):
            features = layer(features)
            features = features if place == len(self.head) - 1 else torch.relu(features)
        return features

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
    """The gates have the same order; PyTorch adds two biases."""
    features, gates = params["input_kernel"].shape
    layer = torch.nn.LSTM(features, gates // 4, batch_first=True)
    state = {
        "weight_ih_l0": _tensor(params["input_kernel"]).T,
        "weight_hh_l0": _tensor(params["recurrent_kernel"]).T,
        "bias_ih_l0": _tensor(params["bias"]),
        "bias_hh_l0": torch.zeros(gates),
    }
    layer.load_state_dict(state)
    return layer


def _linear(params: Any) -> torch.nn.Linear:
    layer = torch.nn.Linear(*params["kernel"].shape)
    layer.load_state_dict({"weight": _tensor(params["kernel"]).T, "bias": _tensor(params["bias"])})
    return layer
