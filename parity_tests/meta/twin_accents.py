"""What twins may differ in: each framework's words, the order of its axes, and exceptions with their reasons."""

__all__ = ["EXCEPTIONS", "JAXTYPING", "LAYOUTS", "NATIVE", "RANDOMNESS"]

# Torch's word for what JAX calls by its own.
NATIVE = {
    "dim": "axis",
    "dims": "axes",
    "keepdim": "keepdims",
    "generator": "key",
    "forward": "__call__",
    "optimizer": "lr",
}
# Keys come first and generators last, each by its framework's custom; that both sides take one is compared.
RANDOMNESS = "key"
JAXTYPING = {"Float", "Int", "Integer", "Num", "Bool", "Shaped", "Complex", "Inexact", "Real", "UInt"}

# Channels come last in JAX, and second in torch; a kernel's window comes first, and last.
LAYOUTS = {
    f"{batch}{space} {channels}": f"{batch}{channels} {space}"
    for batch, space, channels in (
        ("batch ", "*space", "channels"),
        ("batch ", "*places", "channels"),
        ("batch ", "*padded", "channels"),
        ("batch ", "*places", "features"),
        ("batch ", "*places", "out"),
        ("batch ", "rows columns", "channels"),
        ("batch ", "height width", "features"),
        ("batch ", "windows", "numbers"),
    )
} | {f"*window group {channels}": f"{channels} group *window" for channels in ("out", "channels")}

# (module, name, aspect): the reason why the twins differ there.
EXCEPTIONS: dict[tuple[str, str, str], str] = (
    {
        ("linear", "linear_layer", "takes_randomness"): "a linen layer draws its weights in init, from the key of init",
    }
    | {
        (
            module,
            f"{name}{method}",
            "presence",
        ): "torch's own layer is exact; linen's is not, and its docstring says where"
        for module, name in (
            ("_normalization_running", "BatchNorm"),
            ("_normalization_running", "InstanceNorm"),
            ("_normalization_stateless", "RMSNorm"),
        )
        for method in ("", ".__call__")
    }
    | {
        (module, name, "presence"): "torch has layers of its own; linen has none, so that they stand here"
        for module, names in (
            ("_transformer_layers", ("DecoderMasks", "EncoderLayer", "DecoderLayer")),
            ("_transformer_stacks", ("TransformerMasks", "Encoder", "Decoder", "Transformer")),
        )
        for owner in names
        for name in (owner, f"{owner}.__call__")
        if "Masks" not in name or "." not in name
    }
    | {
        (module, name, aspect): reason
        for module, name, reason in (
            ("_schedules_waves", "cyclic_lr", "torch's moves an optimizer's momentum too, if told; JAX returns both"),
            (
                "_schedules_waves",
                "one_cycle_lr",
                "torch's moves an optimizer's momentum too, if told; JAX returns both",
            ),
            (
                "_mixed_precision_steps",
                "MixedState",
                "torch's objects own what a JAX step is handed, in static fields too",
            ),
            ("_transformer_language", "LanguageModel.__call__", "a linen module is told at each call whether to drop"),
            ("_training_steps", "TrainState", "torch's objects own what a JAX step is handed, its rule a static field"),
            (
                "_training_regression",
                "Regression",
                "torch's objects own what a JAX step is handed, in static fields too",
            ),
        )
        for aspect in ("parameters", "defaults")
    }
)
