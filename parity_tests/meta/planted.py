"""The catalogue of planted mistakes, over every kind of code that a port meets on a CPU."""

import planted_attention
import planted_attention_classes
import planted_autograd
import planted_batches
import planted_convolution
import planted_convolution_classes
import planted_distances
import planted_dropout
import planted_embedding
import planted_embedding_classes
import planted_indexing
import planted_language
import planted_layers
import planted_loads
import planted_loss_classes
import planted_losses
import planted_masks
import planted_mixed_precision
import planted_models
import planted_norm_classes
import planted_norms
import planted_optimizer_classes
import planted_optimizers
import planted_recurrent
import planted_recurrent_classes
import planted_regression
import planted_resampling
import planted_schedule_classes
import planted_schedules
import planted_sequential
import planted_tensors
import planted_training
import planted_transformer
import planted_updates
from mistake import Mistake

__all__ = ["MISTAKES", "TOPICS"]

MISTAKES: tuple[Mistake, ...] = (
    *planted_tensors.MISTAKES,
    *planted_indexing.MISTAKES,
    *planted_autograd.MISTAKES,
    *planted_regression.MISTAKES,
    *planted_layers.MISTAKES,
    *planted_sequential.MISTAKES,
    *planted_losses.MISTAKES,
    *planted_loss_classes.MISTAKES,
    *planted_distances.MISTAKES,
    *planted_optimizers.MISTAKES,
    *planted_optimizer_classes.MISTAKES,
    *planted_updates.MISTAKES,
    *planted_schedules.MISTAKES,
    *planted_schedule_classes.MISTAKES,
    *planted_norms.MISTAKES,
    *planted_norm_classes.MISTAKES,
    *planted_dropout.MISTAKES,
    *planted_convolution.MISTAKES,
    *planted_convolution_classes.MISTAKES,
    *planted_recurrent.MISTAKES,
    *planted_recurrent_classes.MISTAKES,
    *planted_embedding.MISTAKES,
    *planted_embedding_classes.MISTAKES,
    *planted_attention.MISTAKES,
    *planted_attention_classes.MISTAKES,
    *planted_masks.MISTAKES,
    *planted_transformer.MISTAKES,
    *planted_language.MISTAKES,
    *planted_models.MISTAKES,
    *planted_loads.MISTAKES,
    *planted_resampling.MISTAKES,
    *planted_batches.MISTAKES,
    *planted_training.MISTAKES,
    *planted_mixed_precision.MISTAKES,
)

TOPICS: tuple[str, ...] = tuple(dict.fromkeys(mistake.topic for mistake in MISTAKES))
