# Imports transformers, torchvision and timm. torchvision's own operators are compiled for another build of PyTorch and do
# not load here; nothing that is tested needs them, but their declarations must be there before it is imported.
import torch

_declarations = torch.library.Library("torchvision", "DEF")
for _name in ("nms", "qnms"):
    try:
        _declarations.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    except RuntimeError:
        pass  # they did load
