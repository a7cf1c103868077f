import { afterAll, describe, expect, test } from "vitest";
import { SteppeError, Generator, Tensor, nn, optim, torch } from "../../lib/index.js";

// Wrong calls by kind. Whatever goes wrong, a SteppeError says what, and the next call works as ever.

type Row = [title: string, call: () => unknown, code: string, message: RegExp];

const loose = torch as unknown as Record<string, (...args: unknown[]) => unknown>;
const AnyTensor = Tensor as unknown as new (handle: unknown) => Tensor;
const a = torch.ones([2, 3]);
const any = a as unknown as Record<string, (...args: unknown[]) => unknown>;
const whole = torch.arange(6).reshape([2, 3]);
const w = torch.ones([3], { requiresGrad: true });
const sam = (options: object = {}) => optim.create([w], { method: "sam", rho: 0.1, base: { name: "sgd", lr: 0.1 }, ...options } as never);

const tables: Record<string, Row[]> = {
  "missing arguments": [
    ["a function's", () => loose.add!(), "ARGUMENT", /^Missing argument self of aten::add\.\w+: expected a Tensor\./],
    ["a function's second", () => loose.add!(a), "ARGUMENT", /^Missing argument other of aten::add\.\w+: expected/],
    ["a method's", () => any.matmul!(), "ARGUMENT", /^Missing argument other of aten::matmul: expected a Tensor\.\nThe overloads are:\n {2}aten::matmul\(Tensor self, Tensor other\) -> Tensor\n/],
    ["one given as undefined", () => any.matmul!(undefined), "ARGUMENT", /other of aten::matmul/],
    ["a factory's", () => loose.zeros!(), "ARGUMENT", /^Missing argument size of aten::zeros/],
    ["by name", () => loose.transpose!(a, { dim0: 0 }), "ARGUMENT", /^Missing argument dim1 of aten::transpose/],
    ["an operator's by its schema", () => torch.ops.call("aten::cat"), "ARGUMENT", /^Missing argument tensors of aten::cat/],
  ],
  "too many arguments": [
    ["a method's", () => any.neg!(1), "ARGUMENT", /takes at most 1 positional arguments but received 2/],
    ["a function's", () => loose.matmul!(a, a, a), "ARGUMENT", /^aten::matmul takes at most 2 positional arguments but received 3\./],
    ["keyword-only ones by position", () => loose.zeros!([1], "float32"), "ARGUMENT", /takes at most 1 positional arguments but received 2/],
    ["very many", () => loose.add!(...Array.from({ length: 200 }, () => a)), "ARGUMENT", /positional arguments but received 200/],
    ["by position and by name", () => loose.add!(a, a, { other: a }), "ARGUMENT", /^Argument other of aten::add\.\w+ was given twice, by position and by name\./],
  ],
  "misspelled names": [
    ["an option's", () => loose.sum!(a, { keepDim: true }), "ARGUMENT", /has no argument "keepDim"\. Did you mean "keepdim"\?/],
    ["an argument's", () => loose.add!(a, a, { alhpa: 2 }), "ARGUMENT", /has no argument "alhpa"\. Did you mean "alpha"\?/],
    ["a factory's option", () => loose.zeros!([1], { dytpe: "float32" }), "ARGUMENT", /Did you mean "dtype"\?/],
    ["an operator's", () => torch.ops.call("aten::ad", a), "ARGUMENT", /^LibTorch has no operator "aten::ad"\. Did you mean "aten::\w+"\?/],
    ["an overload's", () => torch.ops.call("aten::add.Tenser", a, a), "ARGUMENT", /^LibTorch has no operator "aten::add\.Tenser"\. Did you mean "aten::add\.Tensor"\?/],
    ["a dtype's", () => torch.zeros([1], { dtype: "flaot32" as never }), "ARGUMENT", /Expected a dtype or null for dtype of aten::zeros but received "flaot32" of type string/],
    ["torch.tensor's option", () => torch.tensor([1], { device_: "cpu" } as never), "ARGUMENT", /Did you mean "device"\?/],
    ["a method of the optimizer", () => optim.create([w], { method: "smm", rho: 0.1, base: { name: "sgd", lr: 0.1 } } as never), "ARGUMENT", /"smm"/],
    ["an option of the optimizer", () => sam({ rhoo: 1 }), "ARGUMENT", /"rhoo".*Did you mean "rho"\?/],
    ["an option of the base optimizer", () => sam({ base: { name: "sgd", lr: 0.1, wieghtDecay: 0 } }), "ARGUMENT", /"wieghtDecay".*Did you mean "weightDecay"\?/],
  ],
  "wrong types": [
    ["a string for a tensor", () => any.add!("1"), "ARGUMENT", /^Expected a Tensor for other of aten::add\.Tensor but received "1" of type string|^Expected a number, bigint, boolean or {re, im} for other/],
    ["an array for a tensor", () => any.matmul!([1, 2]), "ARGUMENT", /^Expected a Tensor for other of aten::matmul but received an array of 2\./],
    ["a number for a list", () => loose.cat!(a), "ARGUMENT", /^Expected an array \(of a Tensor each\) for tensors of aten::cat(\.\w+)? but received an object of type Tensor\./],
    ["a list with a stranger", () => loose.cat!([a, 5]), "ARGUMENT", /^Expected a Tensor for tensors\[1\] of aten::cat(\.\w+)? but received 5 of type number\./],
    ["null where a tensor is due", () => any.matmul!(null), "ARGUMENT", /^Expected a Tensor for other of aten::matmul but received null\./],
    ["a number for a boolean", () => loose.sum!(a, [0], 1), "ARGUMENT", /^Expected a boolean for keepdim of aten::sum\.dim_IntList but received 1 of type number\./],
    ["a function", () => any.add!(() => 1), "ARGUMENT", /received a function/],
    ["a symbol", () => any.add!(Symbol("x")), "ARGUMENT", /received a symbol/],
    ["a date", () => any.add!(new Date(0)), "ARGUMENT", /received an object of type Date/],
    ["half a complex number", () => any.add!({ re: 1 }), "ARGUMENT", /has no argument "re"/],
    ["a complex number of strings", () => any.add!({ re: "1", im: "2" }), "ARGUMENT", /re/],
    ["no method's this", () => any.add!.call({}, 1), "ARGUMENT", /./],
    ["a number for an operator's name", () => torch.ops.call(5 as never), "ARGUMENT", /^Expected an operator's name for name but received 5 of type number\./],
    ["a string for a generator", () => torch.rand([1], { generator: "cpu" as never }), "ARGUMENT", /Expected a Generator or null for generator/],
    ["a string of threads", () => torch.setNumThreads("2" as never), "ARGUMENT", /^Expected an integer from 1 to 1024 for threads but received "2" of type string\./],
    ["too many threads", () => torch.setNumThreads(1e9), "ARGUMENT", /^Expected an integer from 1 to 1024 for threads/],
    ["no limits", () => torch.setMemoryLimits({ bytes: -1 }), "ARGUMENT", /^Expected a positive integer for bytes/],
    ["a closure that is none", () => sam().step(5 as never), "ARGUMENT", /^Expected a function for closure/],
    ["a loss that is none", () => sam().compile(5 as never), "ARGUMENT", /^Expected a function for/],
  ],
  "sizes that are none": [
    ["NaN", () => torch.zeros([NaN]), "ARGUMENT", /^Expected an integer for size\[0\] of aten::zeros(\.\w+)? but received NaN of type number\./],
    ["a fraction", () => torch.zeros([1.5]), "ARGUMENT", /for size\[0\] of aten::zeros/],
    ["Infinity", () => torch.zeros([Infinity]), "ARGUMENT", /for size\[0\] of aten::zeros/],
    ["negative", () => torch.zeros([-2]), "OPERATOR", /negative dimension|[Nn]egative/],
    ["too many elements", () => torch.zeros([2 ** 40, 2 ** 40]), "OPERATOR", /overflow|too large|invalid/i],
    ["more memory than there is", () => torch.empty([2 ** 46]), "OUT_OF_MEMORY", /^DefaultCPUAllocator: can't allocate memory: you tried to allocate 281474976710656 bytes/],
    ["a NaN dimension", () => a.sum([NaN]), "ARGUMENT", /for dim\[0\] of aten::sum/],
    ["a dimension that is not there", () => a.sum([5]), "OPERATOR", /^Dimension out of range \(expected to be in range of \[-2, 1\], but got 5\)/],
    ["a view of another size", () => a.view([4]), "OPERATOR", /shape '\[4\]' is invalid for input of size 6/],
    ["a stride that reaches outside", () => a.asStrided([100], [100]), "OPERATOR", /out of bounds|storage of size/],
  ],
  "wrong shapes": [
    ["that do not broadcast", () => a.add(torch.ones([4])), "OPERATOR", /^The size of tensor a \(3\) must match the size of tensor b \(4\) at non-singleton dimension 1/],
    ["of a matrix product", () => a.matmul(a), "OPERATOR", /^mat1 and mat2 shapes cannot be multiplied \(2x3 and 2x3\)/],
    ["of a concatenation", () => torch.cat([a, torch.ones([3, 3])], 1), "OPERATOR", /Sizes of tensors must match except in dimension 1/],
    ["of an out argument, in place", () => a.add_(torch.ones([4, 2, 3])), "OPERATOR", /doesn't match the broadcast shape/],
    ["of a layer's input", () => new nn.Linear(4, 2).forward(a), "OPERATOR", /shapes cannot be multiplied/],
  ],
  "wrong dtypes": [
    ["of a matrix product", () => a.matmul(torch.ones([3, 2], { dtype: "float64" })), "OPERATOR", /dtype|same/],
    ["that cannot be cast in place", () => whole.add_(0.5), "OPERATOR", /^result type Float can't be cast to the desired output type/],
    ["of an index", () => torch.indexSelect(a, 0, torch.tensor([0.5])), "OPERATOR", /Expected dtype int32 or int64 for index/],
    ["of logarithms of nothing numeric", () => torch.tensor([true]).neg(), "OPERATOR", /not supported|bool/i],
    ["that require gradients", () => whole.requiresGrad_(), "ARGUMENT", /^Only tensors of a floating or complex dtype can require gradients, and this one is int64\. Give a dtype such as "float32"\./],
    ["of parameters", () => optim.create([whole], { method: "none", base: { name: "sgd", lr: 1 } }), "ARGUMENT", /floating-point dtype/],
  ],
  "wrong devices": [
    ["one that is not here", () => torch.zeros([1], { device: "cuda:77" }), "ARGUMENT", /^Expected a device that is here \(cpu, meta.*\) for device but received "cuda:77"\./],
    ["one that never was", () => a.to("gpu" as never), "ARGUMENT", /^Expected a dtype such as .* or a device such as .* received "gpu" of type string\. Did you mean "cpu"\?/],
    ["one that never was, in options", () => torch.zeros([1], { device: "gpu" as never }), "ARGUMENT", /^Expected a device that is here \(cpu, meta/],
    ["mixed", () => a.add(torch.ones([2, 3], { device: "meta" })), "OPERATOR", /meta/],
    ["values on meta", () => torch.ones([1], { device: "meta" }).item(), "ARGUMENT", /^A tensor on the meta device holds no data to read\./],
    ["a generator's", () => new Generator("meta"), "ARGUMENT", /meta|device/],
  ],
  "tensors that are not alive": [
    ["never were", () => torch.neg(new AnyTensor(12345)), "DISPOSED", /^The tensor is not alive here/],
    ["of no number", () => torch.neg(new AnyTensor("x")), "ARGUMENT", /Expected Tensor for self/],
    ["of no number, looked at", () => new AnyTensor(undefined).shape, "ARGUMENT", /Expected a number for tensor/],
    ["posted from another thread", () => torch.neg(structuredClone(a) as never), "FOREIGN", /^Expected a Tensor of this thread for aten::neg/],
    ["posted, among good ones", () => torch.cat([a, structuredClone(a) as never]), "FOREIGN", /Tensors cannot be posted/],
    ["posted, as an option", () => torch.add(a, a, { out: structuredClone(a) as never }), "FOREIGN", /./],
    ["posted, to a layer", () => new nn.Linear(3, 2).forward(structuredClone(a) as never), "FOREIGN", /./],
  ],
  "what LibTorch cannot do": [
    ["an operator without a kernel here", () => torch.ops.call("aten::_cudnn_init_dropout_state", 0.5, true, 1, { device: "cpu" }), "OPERATOR", /^Could not run 'aten::_cudnn_init_dropout_state' with arguments from the 'CPU' backend: LibTorch has no kernel for it there\.$/],
    ["a singular matrix", () => torch.linalgInv(torch.zeros([2, 2])), "OPERATOR", /singular/],
    ["an index out of bounds", () => torch.indexSelect(a, 0, torch.tensor([7])), "OPERATOR", /out of range|out of bounds/],
    ["several elements to one number", () => torch.ops.call("aten::item", a), "OPERATOR", /a Tensor with 6 elements cannot be converted to Scalar/],
  ],
};

for (const [kind, rows] of Object.entries(tables)) {
  describe(kind, () => {
    test.each(rows)("%s", (_, call, code, message) => {
      let error: unknown;
      try {
        call();
      } catch (caught) {
        error = caught;
      }
      expect(error).toBeInstanceOf(SteppeError);
      const { code: found, message: text, name, stack } = error as SteppeError;
      expect([found, name]).toEqual([code, "SteppeError"]);
      expect(text).toMatch(message);
      // For people: no C++ stack, no trailing space, no bare "undefined".
      expect(text).not.toMatch(/Exception raised from|\.cpp:\d+|\s$|undefined/);
      expect(stack).toContain("arguments.test.ts");
    });
  });
}

describe("errors thrown by the user's own functions come out as they are", () => {
  const mine = new RangeError("mine");
  const fail = (): never => {
    throw mine;
  };
  const failing = (_: Tensor): Tensor => fail();
  const catchError = (call: () => unknown): unknown => {
    try {
      call();
    } catch (error) {
      return error;
    }
    return undefined;
  };
  test.each<[string, () => unknown]>([
    ["a scope", () => torch.scope(fail)],
    ["noGrad", () => torch.noGrad(fail)],
    ["a closure", () => sam().step(fail)],
    ["a loss function", () => sam().compile(failing).sync(a)],
    ["an argument's getter", () => torch.add(a, { get re(): number { throw mine; }, im: 0 } as never)],
    ["an option's getter", () => torch.sum(a, { get dim(): never { throw mine; } } as never)],
  ])("%s", (_, call) => {
    expect(catchError(call)).toBe(mine);
  });
  test("anything that can be thrown", () => {
    for (const thrown of ["text", 5, null, undefined, { code: "MINE" }]) {
      let caught: unknown = "nothing was thrown";
      try {
        sam().step(() => {
          throw thrown;
        });
      } catch (error) {
        caught = error;
      }
      expect(caught).toBe(thrown);
    }
  });
  test("rejected promises of a step", async () => {
    await expect((async () => sam().compile(failing)(a))()).rejects.toBe(mine);
  });
});

afterAll(() => {
  // Nothing of all this left a trace.
  expect(a.add(1).toArray()).toEqual([[2, 2, 2], [2, 2, 2]]);
  expect([torch.isGradEnabled(), w.grad, w.toArray()]).toEqual([true, null, [1, 1, 1]]);
});
