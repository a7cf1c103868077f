#include "binding.h"

#include <ATen/Context.h>
#include <ATen/core/grad_mode.h>

#include "../functions.h"
#include "../worker.h"
#include "transforms.h"

namespace steppe::data {
namespace {

// [[name, ...numbers], ...]
std::vector<Transform> read_transforms(Call& call, size_t i) {
  const auto array = call.value(i).As<Napi::Array>();
  std::vector<Transform> transforms(array.Length());
  for (uint32_t k = 0; k < transforms.size(); k++) {
    const auto each = array.Get(k).As<Napi::Array>();
    transforms[k].name = read_string(call.env(), each.Get(0u), "transform");
    for (uint32_t j = 1; j < each.Length(); j++) transforms[k].numbers.push_back(read_number(call.env(), each.Get(j), "transform"));
  }
  return transforms;
}

// 0 stands for none.
Random read_random(Call& call, size_t i) {
  const auto id = static_cast<uint32_t>(call.integer(i, "generator"));
  return id == 0 ? Random() : Random(*call.instance().generators.get(id, "generator"));
}

void apply_all(const std::vector<Transform>& transforms, Batch& batch, const Random& random) {
  for (const auto& transform : transforms) apply(transform, batch, random);
}

Batch gather(const Batch& tensors, const at::Tensor& indices) {
  Batch batch;
  for (const auto& tensor : tensors) batch.push_back(tensor.index_select(0, indices.to(tensor.device())));
  return batch;
}

// Fresh handles; 0 for a tensor that is the very one of `before`.
Napi::Value to_handles(Instance& instance, const Batch& batch, const Batch& before = {}) {
  auto array = Napi::Array::New(instance.env, batch.size());
  for (uint32_t i = 0; i < batch.size(); i++) {
    const bool same = i < before.size() && batch[i].is_same(before[i]);
    array[i] = Napi::Number::New(instance.env, same ? 0 : instance.handles.add(batch[i], false));
  }
  return array;
}

bool can_pin() { return at::hasCUDA() || at::hasXPU(); }

// canPin(): whether there is a device that copies from pinned memory
Napi::Value can_pin(Call& call) { return Napi::Boolean::New(call.env(), can_pin()); }

// transformBatch(batch, transforms, generator): the batch's tensors, made here and now; 0 for one that stays as it is
Napi::Value transform_batch(Call& call) {
  at::NoGradGuard no_grad;
  const auto before = call.tensors(0, "batch");
  auto batch = before;
  apply_all(read_transforms(call, 1), batch, read_random(call, 2));
  return to_handles(call.instance(), batch, before);
}

// loadBatch(tensors, order, start, count, transforms, generator, pin): promises rows order[start], order[start + 1], … of each
// tensor, made on the loading thread; without an order all rows
Napi::Value load_batch(Call& call) {
  auto& instance = call.instance();
  const auto batch = std::make_shared<Batch>();
  auto job = std::make_unique<Worker::Job>();
  job->run = [tensors = call.tensors(0, "tensors"), order = call.integer(1, "order") == 0 ? at::Tensor() : call.tensor(1), start = call.integer(2, "start"), count = call.integer(3, "count"),
              transforms = read_transforms(call, 4), random = read_random(call, 5), pin = call.boolean(6, "pin"), batch] {
    at::NoGradGuard no_grad;
    Batch made = order.defined() ? gather(tensors, order.narrow(0, start, count)) : tensors;
    apply_all(transforms, made, random);
    if (pin)
      for (auto& tensor : made)
        if (tensor.device().is_cpu()) tensor = tensor.pin_memory();
    *batch = std::move(made);
  };
  job->result = [batch, &instance](napi_env) -> napi_value { return to_handles(instance, *batch); };
  return Napi::Value(call.env(), instance.loader->enqueue(std::move(job)));
}

}  // namespace

void register_data(Napi::Env env, Napi::Object exports) {
  define<can_pin>(env, exports, "canPin");
  define<transform_batch>(env, exports, "transformBatch");
  define<load_batch>(env, exports, "loadBatch");
}

}  // namespace steppe::data
