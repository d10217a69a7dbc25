"""The loss of descriptors, the same whether they are learned or the image network is."""

from __future__ import annotations

from torch import Tensor

from pipeline.losses.descriptors import descriptor_margin_loss, fine_grained_loss
from pipeline.methods.configs.cliper import CliperConfig
from pipeline.methods.configs.metd import MetdConfig

__all__ = ["descriptor_terms", "descriptor_weights"]


def descriptor_weights(config: CliperConfig | MetdConfig) -> dict[str, float]:
    """Factors of fine and margin: loss = lambda_fine * fine + lambda_margin * margin   [CLIPER, Eq. 10, both 1]"""
    return {"fine": config.lambda_fine, "margin": config.lambda_margin}


def descriptor_terms(cosines: Tensor, labels: Tensor, config: CliperConfig | MetdConfig) -> dict[str, Tensor]:
    """Terms fine and margin of images, by their cosines to all descriptors, float32 (B, C, K).   [CLIPER, Eqs. 6, 9]"""
    return {
        "fine": fine_grained_loss(
            cosines, labels, config.temperature, config.empty_subclass, modulated=config.modulating_factor
        ),
        "margin": descriptor_margin_loss(cosines, labels, config.temperature),
    }
