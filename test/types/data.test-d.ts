// Checked by tsc, never run: see test/types.test.ts.
import { expectTypeOf } from "vitest";
import { data, type Tensor } from "../../lib/index.js";

declare const x: Tensor;
declare const y: Tensor;
declare const tokenizer: data.Tokenizer;
declare const folder: data.ImageFolder;
declare const mails: readonly data.Mail[];
declare const images: data.ImageClasses;
declare const own: data.Dataset<{ ids: Tensor }>;

/** What `for await` gives. */
type BatchOf<T> = T extends AsyncIterable<infer Batch> ? Batch : never;
const batchOf = <T>(_: T): BatchOf<T> => null as never;

// A loader is typed by the data set's item.
const options = { batchSize: 2 };
expectTypeOf(batchOf(data.loader(new data.TensorDataset(x, y), options))).toEqualTypeOf<[Tensor, Tensor]>();
expectTypeOf(batchOf(data.loader(images.train, options))).toEqualTypeOf<[images: Tensor, labels: Tensor]>();
expectTypeOf(batchOf(data.loader(folder, options))).toEqualTypeOf<[images: Tensor, labels: Tensor]>();
expectTypeOf(batchOf(data.loader(own, options))).toEqualTypeOf<{ ids: Tensor }>();
expectTypeOf(batchOf(data.loader(mails, options))).toEqualTypeOf<data.Mail[]>();
expectTypeOf(batchOf(data.loader(mails, { ...options, collate: (some) => tokenizer.batch(some.map(({ text }) => text)) }))).toEqualTypeOf<data.TokenBatch>();
expectTypeOf(batchOf(data.loader(own, { ...options, transform: ({ ids }) => ids }))).toEqualTypeOf<Tensor>();
// @ts-expect-error a mail has no subject
data.loader(mails, { ...options, collate: (some) => some.map(({ subject }) => subject) });
// @ts-expect-error how many in a batch?
data.loader(mails, { shuffle: true });
// @ts-expect-error a misspelled option
data.loader(mails, { ...options, dropLat: true });
// @ts-expect-error a data set makes its own batches
data.loader(images.train, { ...options, collate: (some: unknown[]) => some });

// Parts of a set are sets of the same kind.
expectTypeOf(data.subset(mails, [0])).toEqualTypeOf<data.Mail[]>();
expectTypeOf(data.subset(images.train, [0])).toEqualTypeOf<data.LabelledImages>();
expectTypeOf(data.subset(folder, [0])).toEqualTypeOf<data.ImageFolder>();
expectTypeOf(data.subset(own, [0])).toEqualTypeOf<data.Dataset<{ ids: Tensor }>>();
expectTypeOf(data.fractionPerClass(folder, { perClass: 2 })).toEqualTypeOf<data.ImageFolder>();
expectTypeOf(data.labelNoise(images.train, { rate: 0.1 })).toEqualTypeOf<data.LabelledImages>();
expectTypeOf(data.randomSplit(folder, [0.5, 0.5])).toEqualTypeOf<data.ImageFolder[]>();
// @ts-expect-error it does not know its labels
data.labelNoise(own, { rate: 0.1 });
