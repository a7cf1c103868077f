import { beforeAll, describe, expect, test } from "vitest";
import { nn } from "../../lib/index.js";
import { needsPython, python, runPython, sameLibTorch } from "../support/python.js";

// Every public name of torch.nn is here, under its name in camelCase, or among what docs/layers.md says is not here.

/** What is not here, by place; a name that ends in … stands for all that begin so. */
const absent: Record<string, string> = {
  nn:
    "Buffer Container CrossMapLRN2d DataParallel LinearCrossEntropyLoss LinearCrossEntropyOptions NLLLoss2d Parameter RNNBase RNNCellBase " +
    "UninitializedBuffer UninitializedParameter factory_kwargs", // Parameter is a type here, the bases and what is lazy are internal
  "nn.functional":
    "assert_int_or_pair boolean_dispatch handle_torch_function has_torch_function… celu_ elu_ hardtanh_ leaky_relu_ relu_ rrelu_ selu_ threshold_ " +
    "conv_tbc grouped_mm linear_cross_entropy native_channel_shuffle scaled_grouped_mm scaled_mm upsample… ScalingType SwizzleType",
  "nn.init": "constant dirac eye kaiming_normal kaiming_uniform normal orthogonal sparse uniform xavier_normal xavier_uniform",
  // fusion.… is a namespace here, as parametrizations and rnn are.
  "nn.utils":
    "clip_grad_norm convert_conv2d_weight_memory_format convert_conv3d_weight_memory_format fuse_… remove_spectral_norm remove_weight_norm skip_init spectral_norm weight_norm",
  "nn.utils.rnn": "PackedSequence_ bind copy_method_params invert_permutation",
  "nn.utils.parametrizations": "Module",
  "nn.utils.parametrize":
    "Module ModuleDict ModuleList OpaqueBase Parameter ParametrizationList cached get_swap_module_params_on_conversion " +
    "is_opaque_reference_type is_traceable_wrapper_subclass transfer_parametrizations_and_params type_before_parametrizations",
};

const script = `
import importlib, inspect
def public(place):
    module = importlib.import_module("torch." + place)
    found = []
    for name in dir(module):
        value = getattr(module, name)
        if name.startswith("_") or name == "Tensor" or inspect.ismodule(value): continue
        home = getattr(value, "__module__", None) or ""
        if (inspect.isclass(value) or callable(value)) and (home.startswith("torch") or inspect.isbuiltin(value)): found.append(name)
    return found
def parameters(layer):
    return [p.name for p in list(inspect.signature(layer.__init__).parameters.values())[1:]]
layers = {name: value for name, value in vars(torch.nn).items() if inspect.isclass(value) and issubclass(value, torch.nn.Module)}
outputs = {"places": {place: public(place) for place in inputs}, "layers": {name: parameters(layer) for name, layer in layers.items()}}
`;
interface Names {
  places: Record<string, string[]>;
  layers: Record<string, string[]>;
}

const camel = (name: string) => name.replace(/(?<=[a-zA-Z0-9])_([a-zA-Z0-9])/g, (_, letter: string) => letter.toUpperCase());

function place(path: string): object {
  return path.split(".").slice(1).reduce((at: object, name) => Reflect.get(at, name) as object, nn);
}

/** The arguments of a layer in their order, which the refusal of too many tells; [] if it takes none. */
function argumentsOf(name: string): string[] | null {
  try {
    new (Reflect.get(nn, name) as new (...args: unknown[]) => nn.Module)(...Array<number>(40).fill(3));
  } catch (error) {
    const [, most, list] = /^Expected at most (\d+) arguments for nn\.\w+ but received an array of 40\.(?: They are (.*)\.)?$/.exec((error as Error).message) ?? [];
    return most === undefined ? null : (list?.split(", ") ?? []);
  }
  return null;
}

describe.skipIf(python === null)(`of torch.nn (${needsPython})`, () => {
  let theirs: Names;
  beforeAll(() => {
    if (python !== null) theirs = runPython<Names>(script, Object.keys(absent));
  }, 120_000);

  // Their one or two arguments stand in the constructor itself; containers take modules; what PyTorch's recurrent layers take stands in their base.
  const otherwise = /^(Module|Identity|AdaptiveAvgPool.d|Sequential|(Module|Parameter)(List|Dict)|Transformer(En|De)coder|RNN|GRU|LSTM)$/;
  // Deprecated, or underscored and for PyTorch's own use.
  const left = ["size_average", "reduce", "min_value", "max_value"];

  test("constructors take the same arguments in the same order", () => {
    if (!sameLibTorch) return; // another version has other arguments
    const known = Object.entries(theirs.layers).filter(([name]) => name in nn && !otherwise.test(name));
    expect(known.length).toBeGreaterThan(110);
    for (const [name, parameters] of known) {
      const wanted = parameters.filter((each) => !left.includes(each) && !each.startsWith("_")).map(camel);
      expect(argumentsOf(name), name).toEqual(String(wanted) === "args,kwargs" ? [] : wanted); // what has none is called with anything
    }
  });

  test("every name has its counterpart, or is listed as absent", () => {
    if (!sameLibTorch) return; // another version has other names
    for (const [path, names] of Object.entries(theirs.places)) {
      const listed = absent[path]!.split(" ");
      const isListed = (name: string) => listed.some((each) => (each.endsWith("…") ? name.startsWith(each.slice(0, -1)) : name === each));
      const ours = place(path);
      expect(names.filter((name) => !(camel(name) in ours) && !isListed(name)), `missing in ${path}`).toEqual([]);
      expect(names.filter((name) => camel(name) in ours && isListed(name)), `listed as absent in ${path}, but here`).toEqual([]);
      const unknown = listed.filter((each) => !names.some((name) => (each.endsWith("…") ? name.startsWith(each.slice(0, -1)) : name === each)));
      expect(unknown, `listed as absent in ${path}, but PyTorch has none`).toEqual([]);
      expect(names.length).toBeGreaterThan(2);
    }
  }, 120_000);
});
