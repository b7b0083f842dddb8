"""Modulated deformable convolution, DCNv2 (Zhu et al. 2019), in plain PyTorch.

Each output position multiplies its kernel not with a grid of neighbours but with values read at learned, fractional
positions, each weighted by a learned factor. The official layer is a compiled extension (external/DCNv2); its
parameters, channel order and padding are kept here.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

_KERNEL = 3
_TAPS = _KERNEL * _KERNEL  # K: values that an output position reads from each channel


class ModulatedDeformConv(nn.Conv2d):
    """A 3x3 convolution with padding 1 and bias whose inputs are sampled where `conv_offset_mask` says."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__(in_channels, out_channels, _KERNEL, stride=stride, padding=_KERNEL // 2)
        self.conv_offset_mask = nn.Conv2d(in_channels, 3 * _TAPS, _KERNEL, stride=stride, padding=_KERNEL // 2)
        nn.init.zeros_(self.conv_offset_mask.weight)  # as in the paper: training begins without offsets
        nn.init.zeros_(self.conv_offset_mask.bias)  # type: ignore[arg-type]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B,I,H,W] -> [B,O,Ho,Wo]."""
        return F.conv2d(self.columns(x), self.weight_of_columns(), self.bias)

    def columns(self, x: torch.Tensor) -> torch.Tensor:
        """[B,I,H,W] -> [B,I*K,Ho,Wo]: what each output position multiplies its kernel with.

        Memory is traded for calls: all taps at once take K times the space of one (22 MB for 128 channels of 69x69,
        the largest at 550 px), and then one GridSample and one matrix product do. Tap by tap, each of K products would
        read and write the whole output again.
        """
        offset, mask = self.offset_and_mask(x)
        grid = sampling_grid(offset, x.shape[-2], x.shape[-1], self.stride[0])
        samples = F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False)  # [B,I,K*Ho,Wo]
        samples = samples * mask.flatten(1, 2).unsqueeze(1)
        return samples.unflatten(2, (_TAPS, -1)).flatten(1, 2)

    def weight_of_columns(self) -> torch.Tensor:
        """The kernel [O,I,3,3] as that of a 1x1 convolution, [O,I*K,1,1]: the columns are in its order, so that nothing
        moves in memory."""
        return self.weight.flatten(1)[:, :, None, None]

    def offset_and_mask(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """[B,I,H,W] -> offsets [B,2K,Ho,Wo], px: dy, dx of each tap in turn; factors [B,K,Ho,Wo], 0..1.

        The official layer cuts its 3K channels in three parts and joins the first two to the offsets again.
        """
        offset, mask = self.conv_offset_mask(x).split((2 * _TAPS, _TAPS), dim=1)
        return offset, torch.sigmoid(mask)


def sampling_grid(offset: torch.Tensor, height: int, width: int, stride: int) -> torch.Tensor:
    """Where to read a `height` x `width` px input, for grid_sample with align_corners=False.

    offset [B,2K,Ho,Wo], px -> [B,K*Ho,Wo,2]: x, y, where -1 and 1 are the outer edges of the border pixels. Tap (i, j)
    of output position (row, column) reads at row * stride - 1 + i + dy, column * stride - 1 + j + dx.
    """
    out_height, out_width = offset.shape[-2:]
    taps = torch.arange(_TAPS, device=offset.device)
    rows, columns = (torch.arange(size, device=offset.device) * stride - 1 for size in (out_height, out_width))
    y = (taps // _KERNEL)[:, None, None] + rows[:, None]  # [K,Ho,1], px
    x = (taps % _KERNEL)[:, None, None] + columns  # [K,1,Wo], px
    # Apart, each with one product and one sum: an operator over pairs of numbers is slow on a CPU.
    dy, dx = offset.unflatten(1, (_TAPS, 2)).unbind(2)  # [B,K,Ho,Wo]
    grid_y = dy * (2 / height) + ((2 * y + 1) / height - 1)
    grid_x = dx * (2 / width) + ((2 * x + 1) / width - 1)
    return torch.stack((grid_x, grid_y), dim=-1).flatten(1, 2)
