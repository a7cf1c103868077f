// A language model that reads Moby Dick character by character: an LSTM, trained by GA-SAM. Then it writes a line itself.
//
//     npm run example language-model
//     npm run example language-model addresses    the State of the Union addresses instead
//
// Expected: about 2.02 nats per character on text that it has not read, after half a minute; with `rho: 0`, which is plain
// Adam, about 2.10.
import { data, nn, optim, torch } from "steppe";
import type { Tensor } from "steppe";

const settings = { characters: 50_000, window: 64, embedding: 32, hidden: 128, epochs: 20, batchSize: 32, rho: 2.4, lr: 4e-3, seed: 0 };

const readsAddresses = process.argv[2] === "addresses";
const { documents } = readsAddresses ? await data.stateOfUnion() : await data.mobyDick();
const novel = documents.map(({ text }) => text).join("\n"); // from "Call me Ishmael."
const alphabet = [...new Set(novel)].sort();

/** Windows of a text as numbers, and the characters that follow each of theirs: int64 [N, window] both. */
function windows(text: string): data.TensorDataset<[Tensor, Tensor]> {
  const ids = torch.tensor([...text].map((character) => alphabet.indexOf(character)), { dtype: "int64" });
  const count = Math.floor((text.length - 1) / settings.window);
  const from = (start: number) => ids.narrow(0, start, count * settings.window).view([count, settings.window]);
  return new data.TensorDataset(from(0), from(1));
}

class CharacterModel extends nn.Module {
  embedding = new nn.Embedding(alphabet.length, settings.embedding);
  lstm = new nn.LSTM(settings.embedding, settings.hidden, { batchFirst: true });
  head = new nn.Linear(settings.hidden, alphabet.length);

  /** Logits [N, length, characters] of what follows each character of [N, length]. */
  forward(ids: Tensor): Tensor {
    const [states] = this.lstm.forward(this.embedding.forward(ids));
    return this.head.forward(states);
  }

  /** Mean cross-entropy in nats. */
  loss(ids: Tensor, next: Tensor): Tensor {
    return nn.functional.crossEntropy(this.forward(ids).flatten(0, 1), next.flatten());
  }
}

torch.manualSeed(settings.seed);
const model = new CharacterModel();
const batches = data.loader(windows(novel.slice(0, settings.characters)), { batchSize: settings.batchSize, shuffle: true, seed: settings.seed, dropLast: true });
const optimizer = optim.create(model, {
  method: "gasam",
  rho: settings.rho,
  maxGradNorm: 1,
  base: { name: "adam", lr: settings.lr },
  lrSchedule: { name: "cosine", totalSteps: settings.epochs * batches.length },
});
const step = optimizer.compile((ids: Tensor, next: Tensor) => model.loss(ids, next));

for (let epoch = 1; epoch <= settings.epochs; epoch++) {
  let sum = 0;
  for await (const [ids, next] of batches) sum += (await step(ids, next)).loss;
  if (epoch % 4 === 0) console.log(`epoch ${epoch}: training loss ${(sum / batches.length).toFixed(3)}`);
}

const [ids, next] = windows(novel.slice(settings.characters, 2 * settings.characters)).tensors;
console.log(`test loss ${Number(torch.noGrad(() => model.loss(ids, next)).item()).toFixed(3)} nats per character`);

let line = readsAddresses ? "The people " : "The whale ";
while (line.length < 80) {
  const seen = torch.tensor([[...line].map((character) => alphabet.indexOf(character))], { dtype: "int64" });
  const chances = torch.noGrad(() => model.forward(seen).select(1, -1).div(0.5).softmax(-1)); // 0.5: a cautious writer
  line += alphabet[Number(chances.multinomial(1).item())]!.replace("\n", " ");
}
console.log(line);
