"""The modules of ``torch.nn`` that PyTorch's own samples leave out: what stands for each, and which file proves it."""

__all__ = ["CLOSED", "OTHERS"]

_LAWS, _DROPPED, _WINDOWS = "test_normalization", "test_normalization__dropout", "test_convolution__pools"
_LAZY = {
    f"Lazy{kind}{axes}d": (f"normalization.{layer}", _LAWS)
    for kind, layer in (("BatchNorm", "batch_norm_layer"), ("InstanceNorm", "instance_norm_layer"))
    for axes in (1, 2, 3)
}

# module: (what stands for it, the file of its proof)
OTHERS: dict[str, tuple[str, str]] = {
    **_LAZY,
    "AdaptiveLogSoftmaxWithLoss": ("losses.adaptive_log_softmax_with_loss", "test_losses"),
    "AlphaDropout": ("normalization.alpha_dropout", _DROPPED),
    "ChannelShuffle": ("convolution.channel_shuffle", _WINDOWS),
    "CosineSimilarity": ("losses.cosine_embedding_loss", "test_losses"),
    "Dropout": ("normalization.dropout", _DROPPED),
    "Dropout1d": ("normalization.channel_dropout", _DROPPED),
    "Dropout2d": ("normalization.channel_dropout", _DROPPED),
    "Dropout3d": ("normalization.channel_dropout", _DROPPED),
    "EmbeddingBag": ("embedding.embedding_bag", "test_embedding"),
    "FeatureAlphaDropout": ("normalization.channel_alpha_dropout", _DROPPED),
    "Flatten": ("tensors.flatten_pixels", "test_tensors"),
    "Fold": ("convolution.fold", _WINDOWS),
    "Hardsigmoid": ("activations.hardsigmoid", "test_activations"),
    "LazyLinear": ("linear.linear_layer", "test_linear"),
    "MaxUnpool1d": ("convolution.max_unpool", _WINDOWS),
    "MaxUnpool2d": ("convolution.max_unpool", _WINDOWS),
    "MaxUnpool3d": ("convolution.max_unpool", _WINDOWS),
    "ModuleDict": ("sequential.BranchedPerceptron", "test_sequential"),
    "ModuleList": ("sequential.ListPerceptron", "test_sequential"),
    "NLLLoss2d": ("losses.nll_loss", "test_losses"),
    "PairwiseDistance": ("losses.pairwise_distance", "test_losses"),
    "PixelShuffle": ("convolution.pixel_shuffle", _WINDOWS),
    "PixelUnshuffle": ("convolution.pixel_unshuffle", _WINDOWS),
    "RReLU": ("activations.rrelu", "test_activations"),
    "Sequential": ("sequential.perceptron", "test_sequential"),
    "TransformerDecoder": ("transformer.decoder", "test_transformer"),
    "TripletMarginLoss": ("losses.triplet_margin_loss", "test_losses"),
    "TripletMarginWithDistanceLoss": ("losses.triplet_margin_with_distance_loss", "test_losses"),
    "Unfold": ("convolution.unfold", _WINDOWS),
    "Upsample": ("resampling.interpolate", "test_resampling"),
    "UpsamplingBilinear2d": ("resampling.interpolate", "test_resampling"),
    "UpsamplingNearest2d": ("resampling.interpolate", "test_resampling"),
}

# module: why nothing stands for it
CLOSED: dict[str, str] = {
    "Container": "an old name of Module",
    "CrossMapLRN2d": "an old form of LocalResponseNorm",
    "DataParallel": "drives many GPUs from one process; in JAX a sharding of the arrays says so",
    "Identity": "a function of one line: lambda x: x",
    "Module": "the base; flax.linen.Module",
    "ParameterDict": "a pytree is one: a dict of arrays",
    "ParameterList": "a pytree is one: a list of arrays",
    "RNNBase": "the base of RNN, LSTM and GRU",
    "RNNCellBase": "the base of their cells",
    "SyncBatchNorm": "needs several GPUs; flax.linen.BatchNorm takes axis_name for it",
    "Unflatten": "reshape is the whole of it",
}
