"""SegRNN and DeepAR in PyTorch."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch._dynamo  # optimizers import it when they are made: not to be measured then
from torch.distributions import Normal, StudentT
from torch.nn.functional import dropout, mse_loss, softplus

from scripts.benchmarks.forecaster import ModelWeights, Sizes
from scripts.benchmarks.layer_weights import torch_params
from scripts.benchmarks.measuring import Train


class SegRNN(torch.nn.Module):
    """The loss of windows, channels side by side in the batch; the dropout is that of training."""

    def __init__(self, sizes: Sizes, weights: ModelWeights):
        super().__init__()
        self.sizes = sizes
        self.embedding = _linear(weights.embedding)
        self.layer = torch.nn.GRU(sizes.embedding, sizes.hidden[0])
        self.layer.load_state_dict(_tensors(torch_params(weights.layers[0])))
        # Of its two biases of reset and update gate the second stays zero: lstm_jax has one.
        candidate = torch.arange(3 * sizes.hidden[0]) >= 2 * sizes.hidden[0]
        self.layer.bias_hh_l0.register_hook(lambda gradient: gradient * candidate)
        self.values = _linear(weights.values)
        self.places = torch.nn.Parameter(torch.from_numpy(weights.places))
        self.kinds = torch.nn.Parameter(torch.from_numpy(weights.kinds))

    def forward(self, values: torch.Tensor, targets: torch.Tensor, *_: torch.Tensor) -> Any:
        """The mean squared error of values [context, batch, channels], targets [horizon, ...]."""
        values, targets = values.flatten(1), targets.flatten(1)
        last, columns = values[-1], values.shape[1]
        segments = (values - last).view(-1, self.sizes.segment, columns).transpose(1, 2)
        _, hidden = self.layer(torch.relu(self.embedding(segments)))
        count = len(self.places)
        places = self.places.expand(columns, -1, -1)
        kinds = self.kinds.repeat(columns // len(self.kinds), 1)[:, None].expand(-1, count, -1)
        queries = torch.cat([places, kinds], dim=-1).view(1, columns * count, -1)
        outputs, _ = self.layer(queries, hidden.repeat_interleave(count, dim=1))
        points = self.values(dropout(outputs, self.sizes.dropout)).view(columns, -1)
        return mse_loss(points.T, targets - last)


class DeepAR(torch.nn.Module):
    """The loss of windows, channels side by side in the batch; the dropout is that of training."""

    def __init__(self, sizes: Sizes, weights: ModelWeights):
        super().__init__()
        self.sizes = sizes
        count = len(sizes.hidden)
        self.layers = torch.nn.LSTM(
            sizes.input_size, sizes.hidden[0], count, dropout=sizes.dropout if count > 1 else 0.0
        )
        state = [torch_params(one, index) for index, one in enumerate(weights.layers)]
        self.layers.load_state_dict(_tensors({k: v for one in state for k, v in one.items()}))
        # The second of the two biases of a layer stays zero: lstm_jax has one to train.
        for index in range(count):
            getattr(self.layers, f"bias_hh_l{index}").requires_grad_(False)
        self.values = _linear(weights.values)

    def forward(
        self,
        values: torch.Tensor,
        targets: torch.Tensor,
        covariates: torch.Tensor,
        future: torch.Tensor,
    ) -> Any:
        """Minus the mean log density of all steps but the first; axes as in `make_batches`."""
        scale = values.abs().mean(dim=0)
        window = (torch.cat([values, targets]) / scale).flatten(1)
        known = torch.cat([covariates[1:], future])
        known = known.repeat_interleave(self.sizes.channels, dim=1)
        read = torch.cat([window[:-1, :, None], known], dim=-1)
        outputs, _ = self.layers(dropout(read, self.sizes.dropout))
        location, *others = self.values(dropout(outputs, self.sizes.dropout)).unbind(-1)
        width, *freedom = map(_positive, others)
        if self.sizes.head == "Gaussian":
            found = Normal(location, width, validate_args=False)
        else:
            found = StudentT(2 + freedom[0], location, width, validate_args=False)
        return -found.log_prob(window[1:]).mean()


def build(sizes: Sizes, weights: ModelWeights, threads: int) -> Train:
    """Training with `torch.optim.Adam` on so many threads."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = {"SegRNN": SegRNN, "DeepAR": DeepAR}[sizes.network](sizes, weights)
    # In one pass over each parameter, as XLA compiles it.
    optimizer = torch.optim.Adam(model.parameters(), lr=sizes.learning_rate, fused=True)

    def train(batches: Sequence[tuple[np.ndarray, ...]]) -> np.ndarray:
        losses = []
        for batch in batches:
            optimizer.zero_grad()
            loss = model(*map(torch.from_numpy, batch))
            loss.backward()
            if sizes.clip_norm is not None:
                torch.nn.utils.clip_grad_norm_(model.parameters(), sizes.clip_norm)
            optimizer.step()
            losses.append(loss.detach())
        return np.array([loss.item() for loss in losses])

    return train


def _positive(raw: torch.Tensor) -> torch.Tensor:
    """A scale of at least 1e-4, 1 for a raw 0."""
    return 1e-4 + (1 - 1e-4) * softplus(raw + np.log(np.e - 1))


def _linear(weights: dict[str, np.ndarray]) -> torch.nn.Linear:
    layer = torch.nn.Linear(*weights["kernel"].shape)
    layer.load_state_dict(_tensors({"weight": weights["kernel"].T, "bias": weights["bias"]}))
    return layer


def _tensors(arrays: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(array) for name, array in arrays.items()}
