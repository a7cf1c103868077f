import { torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { sameLibTorch } from "../support/python.js";
import { parityTests } from "./parity.js";
import type { Case } from "./parity.js";

// Hugging Face's own ViT and ResNet.

const images = (channels: number, size: number, seed: number): Tensor => torch.arange(3 * channels * size * size, { dtype: "float32" }).add(seed).mul(0.37).sin().reshape([3, channels, size, size]);
const classes = torch.tensor([2, 0, 1], { dtype: "int64" });

const vit = {
  hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 4, intermediate_size: 48, image_size: 12, patch_size: 4, num_labels: 3,
  hidden_dropout_prob: 0, attention_probs_dropout_prob: 0,
};
const pixelValues = images(3, 12, 0);
const vits: Omit<Case, "configClass">[] = [
  { name: "vit", model: "ViTModel", config: vit, inputs: { pixelValues } },
  { name: "all states and weights", model: "ViTModel", config: vit, eager: true, inputs: { pixelValues, outputHiddenStates: true, outputAttentions: true } },
  { name: "classes", model: "ViTForImageClassification", config: vit, inputs: { pixelValues, labels: classes } },
  { name: "logits alone", model: "ViTForImageClassification", config: { ...vit, qkv_bias: false, hidden_act: "gelu_new", num_channels: 1 }, inputs: { pixelValues: images(1, 12, 1) } },
  { name: "larger images", model: "ViTForImageClassification", config: vit, inputs: { pixelValues: images(3, 20, 2), labels: classes, interpolatePosEncoding: true } },
  { name: "a number", model: "ViTForImageClassification", config: { ...vit, num_labels: 1 }, inputs: { pixelValues, labels: torch.tensor([0.5, -1, 2]) } },
];
if (sameLibTorch) vits.push({ name: "dropout", model: "ViTForImageClassification", config: { ...vit, hidden_dropout_prob: 0.2, attention_probs_dropout_prob: 0.3 }, inputs: { pixelValues, labels: classes } });

const resnet = { embedding_size: 8, hidden_sizes: [16, 32], depths: [1, 2], num_labels: 3 };
const photos = { pixelValues: images(3, 32, 3) };
const resnets: Omit<Case, "configClass">[] = [
  { name: "resnet", model: "ResNetModel", config: resnet, inputs: { ...photos, outputHiddenStates: true } },
  { name: "bottlenecks", model: "ResNetForImageClassification", config: resnet, inputs: { ...photos, labels: classes } },
  { name: "basic blocks", model: "ResNetForImageClassification", config: { ...resnet, layer_type: "basic", hidden_sizes: [8, 16], hidden_act: "silu", downsample_in_first_stage: true }, inputs: { ...photos, labels: classes } },
  { name: "strides first", model: "ResNetForImageClassification", config: { ...resnet, downsample_in_bottleneck: true, num_channels: 1 }, inputs: { pixelValues: images(1, 32, 4), labels: classes } },
];

parityTests("ViT", "ViTConfig", vits);
parityTests("ResNet", "ResNetConfig", resnets, 1e-4);
