import { nn, torch } from "../dist/index.js";

// The nets of the cases. nets.py holds the same under the same names, so that weights go from one side to the other.

/** Linear layers with ReLU between. */
class Mlp extends nn.Module {
  constructor({ features }) {
    super();
    this.layers = new nn.ModuleList(features.slice(1).map((out, i) => new nn.Linear(features[i], out)));
  }

  forward(x) {
    let hidden = x;
    for (let i = 0; i < this.layers.length; i++) {
      hidden = this.layers[i].forward(hidden);
      if (i + 1 < this.layers.length) hidden = nn.functional.relu(hidden);
    }
    return hidden;
  }
}

class ConvNet extends nn.Module {
  constructor({ channels, size, width, classes }) {
    super();
    this.features = new nn.Sequential(
      new nn.Conv2d(channels, width, 3, { padding: 1, bias: false }),
      new nn.BatchNorm2d(width),
      new nn.ReLU(),
      new nn.MaxPool2d(2),
      new nn.Conv2d(width, 2 * width, 3, { padding: 1, bias: false }),
      new nn.BatchNorm2d(2 * width),
      new nn.ReLU(),
      new nn.MaxPool2d(2),
      new nn.Flatten(),
    );
    this.classifier = new nn.Linear(2 * width * (size / 4) ** 2, classes);
  }

  forward(x) {
    return this.classifier.forward(this.features.forward(x));
  }
}

class BasicBlock extends nn.Module {
  constructor(inChannels, channels, stride) {
    super();
    this.conv1 = new nn.Conv2d(inChannels, channels, 3, { stride, padding: 1, bias: false });
    this.bn1 = new nn.BatchNorm2d(channels);
    this.conv2 = new nn.Conv2d(channels, channels, 3, { padding: 1, bias: false });
    this.bn2 = new nn.BatchNorm2d(channels);
    this.downsample =
      stride === 1 && inChannels === channels
        ? null
        : new nn.Sequential(new nn.Conv2d(inChannels, channels, 1, { stride, bias: false }), new nn.BatchNorm2d(channels));
  }

  forward(x) {
    const out = nn.functional.relu(this.bn1.forward(this.conv1.forward(x)));
    return nn.functional.relu(this.bn2.forward(this.conv2.forward(out)).add(this.downsample === null ? x : this.downsample.forward(x)));
  }
}

/** ResNet-18 (arXiv 1512.03385) for small images: a 3×3 convolution, and no pooling, in front. */
class ResNet18 extends nn.Module {
  constructor({ classes }) {
    super();
    this.conv1 = new nn.Conv2d(3, 64, 3, { padding: 1, bias: false });
    this.bn1 = new nn.BatchNorm2d(64);
    const stages = [64, 128, 256, 512].flatMap((channels, stage) => {
      const before = stage === 0 ? 64 : channels / 2;
      return [new BasicBlock(before, channels, stage === 0 ? 1 : 2), new BasicBlock(channels, channels, 1)];
    });
    this.blocks = new nn.Sequential(...stages);
    this.fc = new nn.Linear(512, classes);
  }

  forward(x) {
    const features = this.blocks.forward(nn.functional.relu(this.bn1.forward(this.conv1.forward(x))));
    return this.fc.forward(features.mean([2, 3]));
  }
}

class LstmModel extends nn.Module {
  constructor({ vocabulary, width }) {
    super();
    this.embedding = new nn.Embedding(vocabulary, width);
    this.lstm = new nn.LSTM(width, width, { batchFirst: true });
    this.head = new nn.Linear(width, vocabulary);
  }

  forward(x) {
    const [output] = this.lstm.forward(this.embedding.forward(x));
    return this.head.forward(output);
  }
}

class Block extends nn.Module {
  constructor(width, heads, { causal = true, normFirst = true, approximate = "none" } = {}) {
    super();
    this.heads = heads;
    this.settings = { causal, normFirst, approximate };
    this.norm1 = new nn.LayerNorm(width);
    this.qkv = new nn.Linear(width, 3 * width);
    this.projection = new nn.Linear(width, width);
    this.norm2 = new nn.LayerNorm(width);
    this.up = new nn.Linear(width, 4 * width);
    this.down = new nn.Linear(4 * width, width);
  }

  attend(x) {
    const [batch, length, width] = x.shape;
    const [q, k, v] = this.qkv
      .forward(x)
      .split(width, 2)
      .map((part) => part.view([batch, length, this.heads, width / this.heads]).transpose(1, 2));
    const attended = torch.scaledDotProductAttention(q, k, v, { isCausal: this.settings.causal }).transpose(1, 2).reshape([batch, length, width]);
    return this.projection.forward(attended);
  }

  spread(x) {
    return this.down.forward(nn.functional.gelu(this.up.forward(x), { approximate: this.settings.approximate }));
  }

  forward(x) {
    if (this.settings.normFirst) {
      const middle = x.add(this.attend(this.norm1.forward(x)));
      return middle.add(this.spread(this.norm2.forward(middle)));
    }
    const middle = this.norm1.forward(x.add(this.attend(x)));
    return this.norm2.forward(middle.add(this.spread(middle)));
  }
}

class Transformer extends nn.Module {
  constructor({ vocabulary, width, heads, blocks, length }) {
    super();
    this.tokens = new nn.Embedding(vocabulary, width);
    this.positions = new nn.Embedding(length, width);
    this.blocks = new nn.Sequential(...Array.from({ length: blocks }, () => new Block(width, heads)));
    this.norm = new nn.LayerNorm(width);
    this.head = new nn.Linear(width, vocabulary, false);
  }

  forward(x) {
    const embedded = this.tokens.forward(x).add(this.positions.weight);
    return this.head.forward(this.norm.forward(this.blocks.forward(embedded)));
  }
}

/** GPT-2 (Radford et al., 2019) without its dropout, whose masks the two sides could not share: the head is the embedding. */
class Gpt2 extends nn.Module {
  constructor({ vocabulary, width, heads, blocks, length }) {
    super();
    this.tokens = new nn.Embedding(vocabulary, width);
    this.positions = new nn.Embedding(length, width);
    this.blocks = new nn.Sequential(...Array.from({ length: blocks }, () => new Block(width, heads, { approximate: "tanh" })));
    this.norm = new nn.LayerNorm(width);
  }

  forward(x) {
    const embedded = this.tokens.forward(x).add(this.positions.weight);
    return nn.functional.linear(this.norm.forward(this.blocks.forward(embedded)), this.tokens.weight);
  }
}

/** BERT (arXiv 1810.04805) that classifies texts, without its dropout. */
class Bert extends nn.Module {
  constructor({ vocabulary, width, heads, blocks, length, classes }) {
    super();
    this.tokens = new nn.Embedding(vocabulary, width);
    this.positions = new nn.Embedding(length, width);
    this.kinds = new nn.Embedding(2, width);
    this.norm = new nn.LayerNorm(width);
    this.blocks = new nn.Sequential(...Array.from({ length: blocks }, () => new Block(width, heads, { causal: false, normFirst: false })));
    this.pooler = new nn.Linear(width, width);
    this.classifier = new nn.Linear(width, classes);
  }

  forward(x) {
    const embedded = this.norm.forward(this.tokens.forward(x).add(this.positions.weight).add(this.kinds.weight.select(0, 0)));
    return this.classifier.forward(this.pooler.forward(this.blocks.forward(embedded).select(1, 0)).tanh());
  }
}

export const nets = { Mlp, ConvNet, ResNet18, LstmModel, Transformer, Gpt2, Bert };

/** Mean cross entropy over all samples, or all tokens. */
export function lossOf(model) {
  return (x, y) => {
    const logits = model.forward(x);
    return nn.functional.crossEntropy(logits.flatten(0, -2), y.flatten());
  };
}
