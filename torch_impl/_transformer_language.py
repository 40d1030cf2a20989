"""A small language model: a stack of pre-norm layers that see the past alone."""

import math

from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from torch_impl._transformer_positions import sinusoidal_positions, square_subsequent_mask
from torch_impl._transformer_stacks import encoder

__all__ = ["LanguageModel"]


class LanguageModel(nn.Module):
    r"""Score every token as the next one: embedding, positions, causal layers, and the embedding again.

    $E \, N(f(\sqrt{width} \, E_t + P))$, where $E$ is both the first matrix and the last (Vaswani et al. 2017,
    arXiv:1706.03762, section 3.4), $P$ are sinusoids, and $f$ are an encoder's layers under a causal mask, with norms
    in front, exact GELUs and a perceptron of four times the width.

    Differs from its twin: ``nn.Embedding`` owns the matrix, and ``functional.linear`` multiplies by it. ``train`` and
    ``eval`` switch dropout.
    """

    def __init__(self, vocabulary: int, d_model: int, nhead: int, num_layers: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, d_model)
        options = {"dim_feedforward": 4 * d_model, "activation": "gelu", "norm_first": True}
        self.encoder = encoder(d_model, nhead, num_layers, norm=True, dropout=dropout, **options)

    def forward(self, tokens: Int[Tensor, "*batch time"]) -> Float[Tensor, "*batch time vocabulary"]:
        """Return the scores of the next token, after each."""
        time, width = tokens.shape[-1], self.embedding.embedding_dim
        x = math.sqrt(width) * self.embedding(tokens)
        x = x + sinusoidal_positions(time, width, dtype=x.dtype).to(x.device)
        x = self.encoder(x, square_subsequent_mask(time).to(x))
        return functional.linear(x, self.embedding.weight)
