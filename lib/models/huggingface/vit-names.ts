// ViT's tensors have other names in Hugging Face's files, those of its earlier versions, than in its newer ones' memory.

/** Within a layer: the name in memory, the name in files. */
const pairs: readonly (readonly [string, string])[] = [
  ["attention.q_proj", "attention.attention.query"],
  ["attention.k_proj", "attention.attention.key"],
  ["attention.v_proj", "attention.attention.value"],
  ["attention.o_proj", "attention.output.dense"],
  ["mlp.fc1", "intermediate.dense"],
  ["mlp.fc2", "output.dense"],
];

function renamed(rest: string, from: 0 | 1): string {
  const pair = pairs.find((both) => rest.startsWith(`${both[from]}.`));
  return pair === undefined ? rest : pair[1 - from]! + rest.slice(pair[from].length);
}

/** The name in memory; names that are such stay. */
export function newName(name: string): string {
  const [, before, index, rest] = /^(.*?)encoder\.layer\.(\d+)\.(.+)$/.exec(name) ?? [];
  return rest === undefined ? name : `${before}layers.${index}.${renamed(rest, 1)}`;
}

/** The name in files. */
export function oldName(name: string): string {
  const [, before, index, rest] = /^(.*?)layers\.(\d+)\.(.+)$/.exec(name) ?? [];
  return rest === undefined ? name : `${before}encoder.layer.${index}.${renamed(rest, 0)}`;
}
