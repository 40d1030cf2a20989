"""A small language model: a stack of pre-norm layers that see the past alone."""

import math

from flax import linen as nn
from jax import Array
from jaxtyping import Float, Int

from jax_impl._transformer_positions import sinusoidal_positions, square_subsequent_mask
from jax_impl._transformer_stacks import encoder

__all__ = ["LanguageModel"]


class LanguageModel(nn.Module):
    r"""Score every token as the next one: embedding, positions, causal layers, and the embedding again.

    $E \, N(f(\sqrt{width} \, E_t + P))$, where $E$ is both the first matrix and the last (Vaswani et al. 2017,
    arXiv:1706.03762, section 3.4), $P$ are sinusoids, and $f$ are an encoder's layers under a causal mask, with norms
    in front, exact GELUs and a perceptron of four times the width.

    Differs from its twin: ``nn.Embed`` is asked for both: ``attend`` multiplies by its matrix. ``deterministic``
    switches dropout.
    """

    vocabulary: int
    d_model: int
    nhead: int
    num_layers: int
    dropout: float = 0.0

    def setup(self) -> None:
        self.embedding = nn.Embed(self.vocabulary, self.d_model, embedding_init=nn.initializers.normal(1.0))
        options = {"dim_feedforward": 4 * self.d_model, "activation": "gelu", "norm_first": True}
        self.encoder = encoder(self.d_model, self.nhead, self.num_layers, norm=True, dropout=self.dropout, **options)

    def __call__(
        self, tokens: Int[Array, "*batch time"], *, deterministic: bool = True
    ) -> Float[Array, "*batch time vocabulary"]:
        """Return the scores of the next token, after each."""
        time = tokens.shape[-1]
        x = math.sqrt(self.d_model) * self.embedding(tokens)
        x += sinusoidal_positions(time, self.d_model, dtype=x.dtype)
        x = self.encoder(x, square_subsequent_mask(time), deterministic=deterministic)
        return self.embedding.attend(x)
