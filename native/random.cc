#include "random.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>

#include "dtypes.h"
#include "functions.h"

namespace steppe {
namespace {

// PyTorch takes seeds from -2^63 to 2^64 - 1 and counts negative ones from the top.
uint64_t read_seed(Call& call, size_t i) {
  if (call.value(i).IsBigInt()) {
    bool lossless = false;
    const auto seed = call.value(i).As<Napi::BigInt>();
    const auto unsigned_seed = seed.Uint64Value(&lossless);
    if (lossless) return unsigned_seed;
    const auto signed_seed = seed.Int64Value(&lossless);
    if (!lossless) fail_expected("an integer of 64 bits", "seed", "a larger bigint");
    return static_cast<uint64_t>(signed_seed);
  }
  return static_cast<uint64_t>(call.integer(i, "seed"));
}

at::Generator& generator(Call& call) { return *call.instance().generators.get(static_cast<uint32_t>(call.integer(0, "generator")), "generator"); }

Napi::Value manual_seed(Call& call) {
  at::globalContext();
  at::manual_seed(read_seed(call, 0));
  return call.env().Undefined();
}

// makeGenerator(device, isDefault): number
Napi::Value make_generator(Call& call) {
  const auto device = parse_device(call.string(0, "device"), "device");
  if (device.is_meta()) fail(Code::argument, "The meta device draws no random numbers: expected another device.");
  at::Generator made;
  if (call.boolean(1, "isDefault")) {
    made = at::globalContext().defaultGenerator(device);
  } else if (device.is_cpu()) {
    made = at::make_generator<at::CPUGeneratorImpl>(c10::detail::getNonDeterministicRandom());
  } else {
    made = at::globalContext().getAcceleratorHooksInterface(device.type()).getNewGenerator(device.index());
  }
  return Napi::Number::New(call.env(), call.instance().generators.add(std::make_shared<at::Generator>(made)));
}

Napi::Value free_generator(Call& call) {
  call.instance().generators.remove(static_cast<uint32_t>(call.integer(0, "generator")));
  return call.env().Undefined();
}

Napi::Value generator_seed(Call& call) {
  auto& g = generator(call);
  const auto seed = read_seed(call, 1);
  std::lock_guard lock(g.mutex());
  g.set_current_seed(seed);
  return call.env().Undefined();
}

Napi::Value generator_initial_seed(Call& call) {
  auto& g = generator(call);
  std::lock_guard lock(g.mutex());
  return Napi::BigInt::New(call.env(), g.current_seed());
}

Napi::Value generator_device(Call& call) { return Napi::String::New(call.env(), generator(call).device().str()); }

// generatorState(generator): a uint8 tensor
Napi::Value generator_state(Call& call) {
  auto& g = generator(call);
  at::Tensor state;
  {
    std::lock_guard lock(g.mutex());
    state = g.get_state();
  }
  return Napi::Number::New(call.env(), call.instance().handles.add(state, true));
}

Napi::Value set_generator_state(Call& call) {
  auto& g = generator(call);
  const auto& state = call.tensor(1);
  std::lock_guard lock(g.mutex());
  g.set_state(state);
  return call.env().Undefined();
}

}  // namespace

void register_random(Napi::Env env, Napi::Object exports) {
  define<manual_seed>(env, exports, "manualSeed");
  define<make_generator>(env, exports, "makeGenerator");
  define<free_generator>(env, exports, "freeGenerator");
  define<generator_seed>(env, exports, "generatorSeed");
  define<generator_initial_seed>(env, exports, "generatorInitialSeed");
  define<generator_device>(env, exports, "generatorDevice");
  define<generator_state>(env, exports, "generatorState");
  define<set_generator_state>(env, exports, "setGeneratorState");
}

}  // namespace steppe
