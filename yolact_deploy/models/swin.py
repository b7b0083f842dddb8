"""The Swin transformer (Liu et al. 2021) without its classifier, with the key names of Yolact_minimal.

Maps are [B,H,W,C]. Attention is within windows of WINDOW x WINDOW positions; every second block moves the windows by
SHIFT, so that neighbours meet.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from ..config.backbone import SWIN_HEAD_WIDTH, BackboneConfig

WINDOW = 7
SHIFT = WINDOW // 2
PATCH = 4  # px of the image that become one position
_OUTSIDE = -100.0  # added before softmax between positions that were no neighbours before the shift
_MLP_RATIO = 4


class Swin(nn.Module):
    """Returns the last three stages, each after a normalisation of its own that the next stage does not see."""

    def __init__(self, config: BackboneConfig, image_size: int) -> None:
        """image_size: side of the input, px; the masks of the shifted windows depend on it."""
        super().__init__()
        size = -(-image_size // PATCH)
        self.patch_embed = PatchEmbed(config.width)
        stages = []
        for stage, depth in enumerate(config.depths):
            is_last = stage == len(config.depths) - 1
            stages.append(Stage(config.width << stage, depth, size, has_downsample=not is_last))
            size = -(-size // 2)
        self.layers = nn.ModuleList(stages)
        for stage in range(1, len(config.depths)):
            self.add_module(f"norm{stage}", nn.LayerNorm(config.width << stage))

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        """[B,3,S,S] -> stage outputs [B,C,H,W] at strides 8, 16, 32."""
        x = self.patch_embed(image)
        outputs = []
        for stage, layer in enumerate(self.layers):
            x, following = layer(x)
            if stage > 0:
                outputs.append(self.get_submodule(f"norm{stage}")(x).permute(0, 3, 1, 2))
            x = following
        return outputs


class PatchEmbed(nn.Module):
    """Patches of the image as positions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, channels, PATCH, stride=PATCH)
        self.norm = nn.LayerNorm(channels)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """[B,3,S,S] -> [B,ceil(S/4),ceil(S/4),C]."""
        missing = -image.shape[-1] % PATCH
        if missing:
            image = F.pad(image, (0, missing, 0, missing))
        return self.norm(self.proj(image).permute(0, 2, 3, 1))


class Stage(nn.Module):
    """Blocks of one resolution, and what leads to the next."""

    def __init__(self, channels: int, depth: int, size: int, has_downsample: bool) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(channels, size, SHIFT if index % 2 else 0) for index in range(depth))
        self.downsample = PatchMerging(channels) if has_downsample else None

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """[B,H,W,C] -> the same after all blocks, and what the next stage takes."""
        for block in self.blocks:
            x = block(x)
        return x, x if self.downsample is None else self.downsample(x)


class PatchMerging(nn.Module):
    """Half the resolution, twice the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduction = nn.Linear(4 * channels, 2 * channels, bias=False)
        self.norm = nn.LayerNorm(4 * channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B,H,W,C] -> [B,ceil(H/2),ceil(W/2),2C]."""
        missing = x.shape[1] % 2
        if missing:
            x = F.pad(x, (0, 0, 0, missing, 0, missing))
        quarters = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        return self.reduction(self.norm(torch.cat(quarters, dim=-1)))


class Block(nn.Module):
    """Attention within windows and a perceptron, each added to its input."""

    shift_mask: torch.Tensor | None

    def __init__(self, channels: int, size: int, shift: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels)
        self.attn = WindowAttention(channels)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = Mlp(channels)
        self.shift = shift
        self.register_buffer("shift_mask", _shift_mask(size) if shift else None, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B,H,W,C] -> [B,H,W,C]."""
        x = x + self._attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))

    def _attention(self, x: torch.Tensor) -> torch.Tensor:
        size = x.shape[1]
        missing = -size % WINDOW
        if missing:
            x = F.pad(x, (0, 0, 0, missing, 0, missing))
        if self.shift:
            x = torch.roll(x, (-self.shift, -self.shift), dims=(1, 2))
        across = x.shape[1] // WINDOW
        cut = x.unflatten(2, (across, WINDOW)).unflatten(1, (across, WINDOW))  # [B,n,7,n,7,C]
        windows = cut.transpose(2, 3).flatten(3, 4).flatten(1, 2)  # [B,n*n,49,C]
        windows = self.attn(windows, self.shift_mask)
        cut = windows.unflatten(1, (across, across)).unflatten(3, (WINDOW, WINDOW)).transpose(2, 3)
        x = cut.flatten(3, 4).flatten(1, 2)
        if self.shift:
            x = torch.roll(x, (self.shift, self.shift), dims=(1, 2))
        return x[:, :size, :size] if missing else x


class WindowAttention(nn.Module):
    """Multi-head attention among the positions of each window, with a learned bias for their relative places."""

    relative_position_index: torch.Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.heads = channels // SWIN_HEAD_WIDTH
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * WINDOW - 1) ** 2, self.heads))
        self.register_buffer("relative_position_index", _relative_position_index(), persistent=False)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Windows [B,n,49,C], mask [n,1,49,49] -> [B,n,49,C]."""
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(2, 3) for part in self.qkv(x).chunk(3, -1))
        logits = (query * SWIN_HEAD_WIDTH**-0.5) @ key.transpose(-2, -1)  # [B,n,heads,49,49]
        bias = self.relative_position_bias_table[self.relative_position_index].permute(2, 0, 1)  # [heads,49,49]
        logits = logits + (bias if mask is None else bias + mask)
        return self.proj((logits.softmax(dim=-1) @ value).transpose(2, 3).flatten(3))


class Mlp(nn.Module):
    """Two layers around a GELU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, _MLP_RATIO * channels)
        self.fc2 = nn.Linear(_MLP_RATIO * channels, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[...,C] -> [...,C]."""
        return self.fc2(F.gelu(self.fc1(x)))


def _relative_position_index() -> torch.Tensor:
    """Row of the bias table for each pair of positions of a window: [49,49] int64."""
    places = np.stack(np.meshgrid(np.arange(WINDOW), np.arange(WINDOW), indexing="ij"), axis=-1).reshape(-1, 2)
    offsets = places[:, None] - places[None] + WINDOW - 1
    return torch.tensor(offsets[..., 0] * (2 * WINDOW - 1) + offsets[..., 1])


def _shift_mask(size: int) -> torch.Tensor:
    """What is added to the logits of shifted windows on a map of `size`: [n,1,49,49], 0 or _OUTSIDE."""
    padded = size + -size % WINDOW
    position = np.arange(padded)
    band = (position >= padded - WINDOW).astype(np.int64) + (position >= padded - SHIFT)
    region = 3 * band[:, None] + band[None]
    across = padded // WINDOW
    windows = region.reshape(across, WINDOW, across, WINDOW).swapaxes(1, 2).reshape(across**2, 1, WINDOW**2)
    return torch.tensor(np.where(windows[..., None] == windows[..., None, :], 0.0, _OUTSIDE).astype(np.float32))
