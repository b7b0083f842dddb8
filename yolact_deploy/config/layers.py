"""Small nets layer by layer, in the official syntax of `mask_proto_net` and `extra_head_net`.

A layer is `[channels, kernel, {options}]`: a convolution; with a negative kernel a transposed convolution of that size;
and `[null, -2, {}]` upsamples bilinearly to twice the size. A ReLU follows each (utils/functions.py, `make_net`).
"""

from __future__ import annotations

import json
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from ..errors import ConfigError

MAX_CHANNELS = 4096
MAX_LAYERS = 32
MAX_KERNEL = 15
MAX_OPTION = 16  # stride, padding, dilation
MAX_FACTOR = 8  # of an upsampling
_SYNTAX = 'a layer is [channels, kernel, {"padding": 1}], or [null, -2, {}] to upsample'


@dataclass(frozen=True)
class Layer:
    """One layer of a net; which kind, `channels` and the sign of `kernel` say."""

    channels: int | None  # None: bilinear upsampling, which keeps them
    kernel: int  # negative: of a transposed convolution, or the factor of an upsampling
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    output_padding: int = 0  # of a transposed convolution alone

    @property
    def is_upsampling(self) -> bool:
        """Whether it is a bilinear upsampling, which has no weights."""
        return self.channels is None

    @property
    def is_transposed(self) -> bool:
        """Whether it is a transposed convolution."""
        return self.kernel < 0 and not self.is_upsampling

    def output_size(self, size: int) -> int:
        """Side of its output for an input of side `size`, as PyTorch computes it; 0 or less: there is none."""
        if self.is_upsampling:
            return size * -self.kernel
        reach = self.dilation * (abs(self.kernel) - 1)
        if self.is_transposed:
            return (size - 1) * self.stride - 2 * self.padding + reach + self.output_padding + 1
        return (size + 2 * self.padding - reach - 1) // self.stride + 1

    def to_plain(self) -> list[Any]:
        """The official syntax, in plain values."""
        options = {
            field.name: getattr(self, field.name) for field in _OPTIONS if getattr(self, field.name) != field.default
        }
        return [self.channels, self.kernel, options]

    def check(self, name: str) -> None:
        """Raises ConfigError, with the setting's name, for a layer that cannot be."""
        text = f"{name}: layer {json.dumps(self.to_plain())}"
        if self.is_upsampling:
            if self != Layer(None, self.kernel) or not -MAX_FACTOR <= self.kernel <= -1:
                raise ConfigError(f"{text}: an upsampling has no options, and a factor of -1 to -{MAX_FACTOR}")
            return
        if not 1 <= self.channels <= MAX_CHANNELS:  # type: ignore[operator]
            raise ConfigError(f"{text}: channels between 1 and {MAX_CHANNELS}")
        if not 1 <= abs(self.kernel) <= MAX_KERNEL:
            raise ConfigError(f"{text}: a kernel of 1 to {MAX_KERNEL}, negative for a transposed convolution")
        if not (
            1 <= self.stride <= MAX_OPTION and 1 <= self.dilation <= MAX_OPTION and 0 <= self.padding <= MAX_OPTION
        ):
            raise ConfigError(f"{text}: stride and dilation between 1 and {MAX_OPTION}, padding up to {MAX_OPTION}")
        most = max(self.stride, self.dilation) - 1 if self.is_transposed else 0
        if not 0 <= self.output_padding <= most:
            raise ConfigError(
                f"{text}: output_padding is for transposed convolutions, and less than their stride or dilation"
            )


_OPTIONS = tuple(field for field in fields(Layer) if field.name not in ("channels", "kernel"))


def parse_layers(name: str, value: Any) -> tuple[Layer, ...]:
    """Layers from plain values in the official syntax; null is no layers. Raises ConfigError that names the setting."""
    if value is None:
        return ()
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) > MAX_LAYERS:
        raise ConfigError(f"{name}: a list of at most {MAX_LAYERS} layers; {_SYNTAX}")
    return tuple(_parse_layer(name, item) for item in value)


def _parse_layer(name: str, item: Any) -> Layer:
    if isinstance(item, Layer):
        return item
    text = f"{name}: {reprlib.repr(item)}"
    if not isinstance(item, Sequence) or isinstance(item, str) or len(item) != 3:
        raise ConfigError(f"{text}: {_SYNTAX}")
    channels, kernel, options = item
    if channels == "cat":
        raise ConfigError(f"{name}: layers of the kind 'cat', which join nets, are not supported")
    if not isinstance(options, Mapping):
        raise ConfigError(f"{text}: {_SYNTAX}")
    known = [field.name for field in _OPTIONS]
    for key in options:
        if key not in known:
            raise ConfigError(f"{name}: unknown option {reprlib.repr(key)} of a layer: use {', '.join(known)}")
    for number in (kernel, *options.values(), *(() if channels is None else (channels,))):
        if not isinstance(number, int) or isinstance(number, bool):
            raise ConfigError(f"{text}: whole numbers; {_SYNTAX}")
    layer = Layer(channels, kernel, **options)
    layer.check(name)
    return layer


def output_sizes(layers: Sequence[Layer], size: int) -> list[int]:
    """Side of each layer's output, for an input of side `size`."""
    sizes = []
    for layer in layers:
        size = layer.output_size(size)
        sizes.append(size)
    return sizes


def output_channels(layers: Sequence[Layer], channels: int) -> int:
    """Channels of the last layer's output, for an input of `channels`."""
    return next((layer.channels for layer in reversed(layers) if layer.channels is not None), channels)


def default_proto_net(channels: int, num_prototypes: int) -> tuple[Layer, ...]:
    """The official `mask_proto_net`, of any width."""
    conv = Layer(channels, 3, padding=1)
    return (conv, conv, conv, Layer(None, -2), conv, Layer(num_prototypes, 1))


def default_head_net(channels: int) -> tuple[Layer, ...]:
    """The official `extra_head_net`, of any width."""
    return (Layer(channels, 3, padding=1),)


def told_by_tensors(layers: Sequence[Layer]) -> tuple[tuple[int, int] | None, ...]:
    """What tensors tell of each layer: channels and the size of its kernel; of an upsampling before others, that it is
    there."""
    told = [None if layer.channels is None else (layer.channels, abs(layer.kernel)) for layer in layers]
    while told and told[-1] is None:
        told.pop()
    return tuple(told)


def describe_layers(layers: Sequence[Layer]) -> str:
    """As in a configuration file, in JSON."""
    return json.dumps([layer.to_plain() for layer in layers])
