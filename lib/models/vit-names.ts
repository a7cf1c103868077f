// A vision transformer's tensors are called otherwise by torchvision than by timm.

/** torchvision's name, timm's name; what stands behind a dot stays. */
const pairs: readonly (readonly [string, string])[] = [
  ["class_token", "cls_token"],
  ["conv_proj", "patch_embed.proj"],
  ["encoder.pos_embedding", "pos_embed"],
  ["encoder.ln", "norm"],
  ["heads.head", "head"],
];

/** The same within a block. */
const blockPairs: readonly (readonly [string, string])[] = [
  ["ln_1", "norm1"],
  ["self_attention.in_proj_weight", "attn.qkv.weight"],
  ["self_attention.in_proj_bias", "attn.qkv.bias"],
  ["self_attention.out_proj", "attn.proj"],
  ["ln_2", "norm2"],
  ["mlp.0", "mlp.fc1"],
  ["mlp.3", "mlp.fc2"],
  ["mlp.linear_1", "mlp.fc1"], // torchvision before 0.12
  ["mlp.linear_2", "mlp.fc2"],
];

/** timm's name for torchvision's; others stay. */
export function timmName(name: string): string {
  const [, index, rest] = /^encoder\.layers\.encoder_layer_(\d+)\.(.+)$/.exec(name) ?? [];
  return rest === undefined ? replace(name, pairs, 0) : `blocks.${index}.${replace(rest, blockPairs, 0)}`;
}

/** torchvision's name for timm's; others stay. */
export function torchvisionName(name: string): string {
  const [, index, rest] = /^blocks\.(\d+)\.(.+)$/.exec(name) ?? [];
  return rest === undefined ? replace(name, pairs, 1) : `encoder.layers.encoder_layer_${index}.${replace(rest, blockPairs, 1)}`;
}

function replace(name: string, table: typeof pairs, from: 0 | 1): string {
  const pair = table.find((both) => name === both[from] || name.startsWith(`${both[from]}.`));
  return pair === undefined ? name : pair[1 - from]! + name.slice(pair[from].length);
}
