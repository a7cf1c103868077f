import { nn } from "../../../lib/index.js";
import { image } from "./case.js";
import type { Case } from "./case.js";

export const normalization: Case[] = [
  { layer: () => new nn.BatchNorm1d(5), python: "nn.BatchNorm1d(5)", inputs: [[4, 5]] },
  { layer: () => new nn.BatchNorm1d(5, 1e-3, 0.3), python: "nn.BatchNorm1d(5, 1e-3, 0.3)", inputs: [[4, 5, 3]] },
  { layer: () => new nn.BatchNorm2d(4), python: "nn.BatchNorm2d(4)", inputs: image },
  { layer: () => new nn.BatchNorm2d(4, { momentum: null }), python: "nn.BatchNorm2d(4, momentum=None)", inputs: image },
  { layer: () => new nn.BatchNorm2d(4, { affine: false }), python: "nn.BatchNorm2d(4, affine=False)", inputs: image },
  { layer: () => new nn.BatchNorm2d(4, { trackRunningStats: false }), python: "nn.BatchNorm2d(4, track_running_stats=False)", inputs: image },
  { layer: () => new nn.GroupNorm(2, 4), python: "nn.GroupNorm(2, 4)", inputs: image },
  { layer: () => new nn.GroupNorm(4, 4, 1e-2, false), python: "nn.GroupNorm(4, 4, 1e-2, False)", inputs: [[2, 4, 5]] },
  { layer: () => new nn.LayerNorm(6), python: "nn.LayerNorm(6)", inputs: image },
  { layer: () => new nn.LayerNorm([8, 6], { eps: 1e-3, bias: false }), python: "nn.LayerNorm([8, 6], eps=1e-3, bias=False)", inputs: image },
  { layer: () => new nn.LayerNorm(6, { elementwiseAffine: false }), python: "nn.LayerNorm(6, elementwise_affine=False)", inputs: image },
  // PyTorch's own takes images on a GPU only; in one process it is a batch normalization.
  { layer: () => new nn.SyncBatchNorm(4), python: "nn.BatchNorm2d(4)", inputs: image },
  { layer: () => new nn.BatchNorm3d(3), python: "nn.BatchNorm3d(3)", inputs: [[2, 3, 2, 3, 4]] },
  { layer: () => new nn.RMSNorm(6), python: "nn.RMSNorm(6)", inputs: image },
  { layer: () => new nn.RMSNorm([8, 6], 1e-3), python: "nn.RMSNorm([8, 6], 1e-3)", inputs: image },
  { layer: () => new nn.RMSNorm({ normalizedShape: 6, elementwiseAffine: false }), python: "nn.RMSNorm(6, elementwise_affine=False)", inputs: image },
  { layer: () => new nn.InstanceNorm1d(4), python: "nn.InstanceNorm1d(4)", inputs: [[2, 4, 5]] },
  { layer: () => new nn.InstanceNorm1d(4, 1e-3, 0.3, true, true), python: "nn.InstanceNorm1d(4, 1e-3, 0.3, True, True)", inputs: [[4, 5]] },
  { layer: () => new nn.InstanceNorm2d(4, { affine: true }), python: "nn.InstanceNorm2d(4, affine=True)", inputs: image },
  { layer: () => new nn.InstanceNorm2d(4, { trackRunningStats: true }), python: "nn.InstanceNorm2d(4, track_running_stats=True)", inputs: image },
  { layer: () => new nn.InstanceNorm3d(3), python: "nn.InstanceNorm3d(3)", inputs: [[2, 3, 2, 3, 4]] },
  { layer: () => new nn.LocalResponseNorm(3), python: "nn.LocalResponseNorm(3)", inputs: image },
  { layer: () => new nn.LocalResponseNorm(2, 0.5, 0.6, 2), python: "nn.LocalResponseNorm(2, 0.5, 0.6, 2)", inputs: [[2, 5, 4]] },
];
