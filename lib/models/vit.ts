import { checkKeys, expected, expectedTensor } from "../errors.js";
import { count } from "../nn/arguments.js";
import { isDrawing } from "../nn/drawing.js";
import * as nn from "../nn/index.js";
import { torch } from "../torch.js";
import type { Tensor } from "../tensor.js";
import type { Architecture, Shapes } from "./architecture.js";
import { PretrainedModel } from "./pretrained-model.js";
import { imageArchitecture, imageConfig } from "./vision.js";
import type { ImageModelOptions } from "./vision.js";
import { timmName, torchvisionName } from "./vit-names.js";

// An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale, Dosovitskiy et al., arXiv 2010.11929. Names in
// the state dict, and initial weights from the same seed, are timm's.

/** What a vision transformer may vary. The defaults are ViT-B/16. */
export interface ViTOptions extends ImageModelOptions {
  /** Height and width of the images, a multiple of `patchSize`; default 224. */
  imgSize?: number;
  /** Height and width of the patches that become tokens; default 16. */
  patchSize?: number;
  /** Width of a token; default 768. */
  embedDim?: number;
  /** Number of blocks; default 12. */
  depth?: number;
  /** Heads of attention, a divisor of `embedDim`; default 12. */
  numHeads?: number;
  /** Width of the hidden layer in each block, in `embedDim`; default 4. */
  mlpRatio?: number;
  /** Whether queries, keys and values have a bias; default true. */
  qkvBias?: boolean;
  /** What the head sees: the class token (default), or the mean of the patches. */
  globalPool?: "token" | "avg";
  /** Probabilities of dropout before the head, on the embedded patches, after the linear layers of a block, on attention; default 0. */
  dropRate?: number;
  posDropRate?: number;
  projDropRate?: number;
  attnDropRate?: number;
  /** Probability with which the last block's branches are left out for a sample, falling to 0 at the first (arXiv 1603.09382); default 0. */
  dropPathRate?: number;
}

const names = [
  "numClasses", "inChannels", "imgSize", "patchSize", "embedDim", "depth", "numHeads", "mlpRatio", "qkvBias", "globalPool",
  "dropRate", "posDropRate", "projDropRate", "attnDropRate", "dropPathRate",
] as const;

const eps = 1e-6; // of every layer normalisation

/** Multi-head self-attention: [N, tokens, width] -> the same. */
class Attention extends nn.Module {
  readonly qkv: nn.Linear;
  readonly proj: nn.Linear;
  readonly proj_drop: nn.Dropout;

  constructor(
    width: number,
    private readonly heads: number,
    bias: boolean,
    private readonly dropout: number,
    projDropout: number,
  ) {
    super();
    this.qkv = new nn.Linear(width, 3 * width, { bias });
    this.proj = new nn.Linear(width, width);
    this.proj_drop = new nn.Dropout(projDropout);
  }

  forward(x: Tensor): Tensor {
    const [n, tokens, width] = x.shape as [number, number, number];
    const parts = this.qkv.forward(x).reshape([n, tokens, 3, this.heads, width / this.heads]).permute([2, 0, 3, 1, 4]);
    const [q, k, v] = parts.unbind(0) as [Tensor, Tensor, Tensor]; // each [N, heads, tokens, width / heads]
    const mixed = torch.scaledDotProductAttention(q, k, v, { dropoutP: this.training ? this.dropout : 0 });
    return this.proj_drop.forward(this.proj.forward(mixed.transpose(1, 2).reshape([n, tokens, width])));
  }
}

/** Two linear layers with GELU between them: [N, tokens, width] -> the same. */
class Mlp extends nn.Module {
  readonly fc1: nn.Linear;
  readonly fc2: nn.Linear;
  readonly drop: nn.Dropout;

  constructor(width: number, hidden: number, dropout: number) {
    super();
    this.fc1 = new nn.Linear(width, hidden);
    this.fc2 = new nn.Linear(hidden, width);
    this.drop = new nn.Dropout(dropout);
  }

  forward(x: Tensor): Tensor {
    return this.drop.forward(this.fc2.forward(this.drop.forward(this.fc1.forward(x).gelu())));
  }
}

/** [N, tokens, width] -> the same; each branch is normalised first and added. */
class Block extends nn.Module {
  readonly norm1: nn.LayerNorm;
  readonly attn: Attention;
  readonly norm2: nn.LayerNorm;
  readonly mlp: Mlp;

  constructor(
    width: number,
    options: Required<ViTOptions>,
    private readonly dropPath: number,
  ) {
    super();
    this.norm1 = new nn.LayerNorm(width, { eps });
    this.attn = new Attention(width, options.numHeads, options.qkvBias, options.attnDropRate, options.projDropRate);
    this.norm2 = new nn.LayerNorm(width, { eps });
    this.mlp = new Mlp(width, Math.floor(width * options.mlpRatio), options.projDropRate);
  }

  forward(x: Tensor): Tensor {
    const y = x.add(this.#branch(this.attn.forward(this.norm1.forward(x))));
    return y.add(this.#branch(this.mlp.forward(this.norm2.forward(y))));
  }

  /** Stochastic depth: nothing for some samples, more for the others. */
  #branch(y: Tensor): Tensor {
    if (!this.training || this.dropPath === 0) return y;
    const kept = 1 - this.dropPath;
    const mask = torch.empty([y.shape[0]!, 1, 1], { dtype: y.dtype, device: y.device }).bernoulli_(kept);
    return y.mul(mask.div_(kept));
  }
}

class PatchEmbed extends nn.Module {
  readonly proj: nn.Conv2d;

  constructor(inChannels: number, width: number, size: number) {
    super();
    this.proj = new nn.Conv2d(inChannels, width, size, size);
  }

  /** [N, inChannels, H, W] -> [N, H/size · W/size, width] */
  forward(images: Tensor): Tensor {
    return this.proj.forward(images).flatten(2).transpose(1, 2);
  }
}

/**
 * A vision transformer: patches of an image as tokens, a class token, learned positions, blocks of attention and an MLP.
 *
 * @example models.vitTiny({ numClasses: 10 }); new models.ViT({ imgSize: 28, patchSize: 7, inChannels: 1, embedDim: 64, depth: 4, numHeads: 4, numClasses: 10 });
 */
export class ViT extends PretrainedModel {
  readonly cls_token: nn.Parameter;
  readonly pos_embed: nn.Parameter;
  readonly patch_embed: PatchEmbed;
  readonly pos_drop: nn.Dropout;
  readonly blocks: nn.Sequential;
  readonly norm: nn.LayerNorm | nn.Identity;
  readonly fc_norm: nn.LayerNorm | nn.Identity;
  readonly head_drop: nn.Dropout;
  readonly head: nn.Linear;
  readonly #imgSize: number;
  readonly #inChannels: number;

  /**
   * @param architecture the name under which `models.fromPretrained` makes it again, one of timm's or torchvision's. Any of them
   *   takes all options, so that the default does for every size.
   */
  constructor(options: ViTOptions = {}, architecture = "vit_base_patch16_224") {
    const all = complete(options);
    const { imgSize, patchSize, inChannels, embedDim: width, numClasses, globalPool } = all;
    super(imageConfig(architecture, { ...options, numClasses }));
    this.#imgSize = imgSize;
    this.#inChannels = inChannels;
    this.patch_embed = new PatchEmbed(inChannels, width, patchSize);
    this.cls_token = nn.parameter(torch.empty([1, 1, width]));
    this.pos_embed = nn.parameter(torch.empty([1, (imgSize / patchSize) ** 2 + 1, width]));
    this.pos_drop = new nn.Dropout(all.posDropRate);
    this.blocks = new nn.Sequential(...Array.from({ length: all.depth }, (_, i) => new Block(width, all, (all.dropPathRate * i) / Math.max(1, all.depth - 1))));
    const pooled = globalPool === "avg";
    this.norm = pooled ? new nn.Identity() : new nn.LayerNorm(width, { eps });
    this.fc_norm = pooled ? new nn.LayerNorm(width, { eps }) : new nn.Identity();
    this.head_drop = new nn.Dropout(all.dropRate);
    this.head = new nn.Linear(width, numClasses);

    normal_(this.pos_embed, 0.02);
    nn.init.normal_(this.cls_token, 0, 1e-6);
    for (const module of this.modules()) {
      if (!(module instanceof nn.Linear)) continue;
      normal_(module.weight, 0.02);
      if (module.bias !== null) nn.init.zeros_(module.bias);
    }
  }

  /** @param images [N, inChannels, imgSize, imgSize] @returns logits [N, numClasses] */
  forward(images: Tensor): Tensor {
    const size = [this.#inChannels, this.#imgSize, this.#imgSize];
    if (images.dim() !== 4 || String(images.shape.slice(1)) !== String(size)) throw expectedTensor(`a tensor of [N, ${size.join(", ")}]`, "images", images);
    const patches = this.patch_embed.forward(images); // [N, tokens, width]
    const first = this.cls_token.expand([images.shape[0]!, -1, -1]);
    const tokens = this.pos_drop.forward(torch.cat([first, patches], 1).add(this.pos_embed));
    const x = this.norm.forward(this.blocks.forward(tokens)); // [N, 1 + tokens, width]
    const seen = this.fc_norm instanceof nn.LayerNorm ? x.slice(1, 1).mean(1) : x.select(1, 0);
    return this.head.forward(this.head_drop.forward(this.fc_norm.forward(seen)));
  }

  /** As its architecture's library calls it. */
  override fileName(name: string): string {
    return Object.hasOwn(torchvisionVariants, this.config.architecture as string) ? torchvisionName(name) : name;
  }
}

/** A normal distribution as timm draws it for ViT. It is cut at ±2, which no value of these deviations reaches. */
function normal_(weight: Tensor, std: number): void {
  if (isDrawing()) torch.noGrad(() => weight.uniform_(-1, 1).erfinv_().mul_(std * Math.SQRT2).clamp_(-2, 2));
}

function complete(options: ViTOptions): Required<ViTOptions> {
  checkKeys(options, names);
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const all: Required<ViTOptions> = {
    numClasses: 1000, inChannels: 3, imgSize: 224, patchSize: 16, embedDim: 768, depth: 12, numHeads: 12, mlpRatio: 4, qkvBias: true, globalPool: "token",
    dropRate: 0, posDropRate: 0, projDropRate: 0, attnDropRate: 0, dropPathRate: 0, ...given,
  };
  for (const name of ["embedDim", "depth", "numHeads", "patchSize"] as const) count.read(all[name], name);
  if (!Number.isInteger(all.imgSize / all.patchSize) || all.imgSize < 1) throw expected(`a multiple of patchSize (${all.patchSize})`, "imgSize", all.imgSize);
  if (!Number.isInteger(all.embedDim / all.numHeads)) throw expected(`a divisor of embedDim (${all.embedDim})`, "numHeads", all.numHeads);
  if (all.globalPool !== "token" && all.globalPool !== "avg") throw expected('"token" or "avg"', "globalPool", all.globalPool);
  if (!(all.dropPathRate >= 0 && all.dropPathRate < 1)) throw expected("a probability from 0 to below 1", "dropPathRate", all.dropPathRate);
  if (!(all.attnDropRate >= 0 && all.attnDropRate <= 1)) throw expected("a probability", "attnDropRate", all.attnDropRate);
  return all;
}

const timmVariants = {
  vit_tiny_patch16_224: { embedDim: 192, numHeads: 3 },
  vit_small_patch16_224: { embedDim: 384, numHeads: 6 },
  vit_small_patch32_224: { embedDim: 384, numHeads: 6, patchSize: 32 },
  vit_base_patch16_224: {},
  vit_base_patch32_224: { patchSize: 32 },
  vit_large_patch16_224: { embedDim: 1024, depth: 24, numHeads: 16 },
} as const satisfies Record<string, ViTOptions>;

const torchvisionVariants = {
  vit_b_16: {},
  vit_b_32: { patchSize: 32 },
  vit_l_16: { embedDim: 1024, depth: 24, numHeads: 16 },
  vit_l_32: { embedDim: 1024, depth: 24, numHeads: 16, patchSize: 32 },
  vit_h_14: { embedDim: 1280, depth: 32, numHeads: 16, patchSize: 14 },
} as const satisfies Record<string, ViTOptions>;

const variants = { ...timmVariants, ...torchvisionVariants };
const named = (name: keyof typeof variants) => (options: ViTOptions = {}) => new ViT({ ...variants[name], ...options }, name);
/** timm's vit_tiny_patch16_224: a {@link ViT} of 192 units, 12 blocks, 3 heads for images [N, inChannels, 224, 224], with random weights. (arXiv 2010.11929) */
export const vitTiny = named("vit_tiny_patch16_224");
/** timm's vit_small_patch16_224: a {@link ViT} of 384 units, 12 blocks, 6 heads for images [N, inChannels, 224, 224], with random weights. (arXiv 2010.11929) */
export const vitSmall = named("vit_small_patch16_224");
/** timm's vit_base_patch16_224: a {@link ViT} of 768 units, 12 blocks, 12 heads for images [N, inChannels, 224, 224], with random weights. (arXiv 2010.11929) */
export const vitBase = named("vit_base_patch16_224");
/** timm's vit_large_patch16_224: a {@link ViT} of 1024 units, 24 blocks, 16 heads for images [N, inChannels, 224, 224], with random weights. (arXiv 2010.11929) */
export const vitLarge = named("vit_large_patch16_224");

/** What the files say where no configuration does. */
function guess(shapes: Shapes): ViTOptions {
  const renamed = new Map([...shapes].map(([name, shape]) => [timmName(name), shape]));
  const [, inChannels, patch] = renamed.get("patch_embed.proj.weight") ?? [];
  const [, positions] = renamed.get("pos_embed") ?? [];
  const imgSize = patch === undefined || positions === undefined ? undefined : Math.sqrt(positions - 1) * patch;
  return {
    numClasses: renamed.get("head.weight")?.[0],
    inChannels,
    imgSize: Number.isInteger(imgSize) ? imgSize : undefined,
    globalPool: renamed.has("fc_norm.weight") ? "avg" : undefined,
  };
}

const entry = (name: keyof typeof variants): Architecture<ViT> => ({ ...imageArchitecture(names, named(name), guess), rename: timmName });
export const viTArchitectures = Object.fromEntries(Object.keys(variants).map((name) => [name, entry(name as keyof typeof variants)])) as Record<
  keyof typeof variants,
  Architecture<ViT>
>;
