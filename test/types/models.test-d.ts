// Checked by tsc, never run: see test/types.test.ts.
import { expectTypeOf } from "vitest";
import { io, models, type Tensor } from "../../lib/index.js";

declare const x: Tensor;
declare const name: string;

// The name of an architecture is the type of the model.
const resnet = await models.fromPretrained("folder", { architecture: "resnet18" });
expectTypeOf(resnet).toEqualTypeOf<models.ResNet>();
expectTypeOf(resnet.forward(x)).toEqualTypeOf<Tensor>();
expectTypeOf(await models.fromPretrained("folder", { architecture: "vit_tiny_patch16_224", dtype: "bfloat16" })).toEqualTypeOf<models.ViT>();
expectTypeOf(await models.fromPretrained("folder", { architecture: "BertForMaskedLM", strict: false })).toEqualTypeOf<models.BertForMaskedLM>();

const vit = await models.fromPretrained("folder", { architecture: "ViTForImageClassification" });
expectTypeOf(vit.forward({ pixelValues: models.imageProcessor("folder")(x), labels: x }).loss).toEqualTypeOf<Tensor>();
expectTypeOf(vit.forward({ pixelValues: x }).loss).toEqualTypeOf<Tensor | undefined>();
// @ts-expect-error images are pixelValues
vit.forward({ inputIds: x });
// @ts-expect-error a bottleneck or a basic block
new models.ResNetForImageClassification({ layerType: "wide" });

// Without one that is known, it is any model.
expectTypeOf(await models.fromPretrained("folder")).toEqualTypeOf<models.PretrainedModel>();
expectTypeOf(await models.fromPretrained("folder", { architecture: name })).toEqualTypeOf<models.PretrainedModel>();
// @ts-expect-error which model it is is not known
(await models.fromPretrained("folder")).forward(x);
// @ts-expect-error a misspelled option
await models.fromPretrained("folder", { architectur: "resnet18" });

models.resnet50({ numClasses: 10, stem: "small", zeroInitResidual: true });
// @ts-expect-error not a stem
models.resnet50({ stem: "large" });
// @ts-expect-error a ResNet needs its blocks
new models.ResNet({ numClasses: 3 });
// @ts-expect-error not an activation
new models.MLP({ inFeatures: 3, activation: "step" });
// @ts-expect-error there is no VGG-12
new models.VGG(12, false);

expectTypeOf(io.loadTorch("file")).toEqualTypeOf<io.TorchValue>();
