// Engine::step_on_device: which steps can be taken with all numbers where the weights are, and what comes of them.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <utility>

#include "../device/accelerator.h"
#include "../errors.h"
#include "engine.h"

namespace steppe::sam {
namespace {

constexpr size_t kMostPrograms = 256;

// Why the program does not stay on the device of the weights; empty if it does. In a graph a number that a kernel took from the
// CPU once would be there for good.
std::string leaves(const Program& program, at::Device device) {
  // A number among the operands, as autograd's formulae have it, never changes.
  const auto elsewhere = [&](const at::Tensor& tensor) { return tensor.defined() && tensor.device() != device && !tensor.unsafeGetTensorImpl()->is_wrapped_number(); };
  for (const auto& instruction : program.instructions) {
    const auto& schema = instruction.op.schema();
    const auto reason = [&](const char* what) { return schema.name() + " " + what + ", which is not on the weights' device"; };
    bool any_tensor = !instruction.views.empty(), names_device = false;
    for (size_t i = 0; i < instruction.inputs.size(); i++) {
      const auto& input = instruction.inputs[i];
      any_tensor |= input.kind != Program::Operand::Kind::constant || input.constant.isTensor();
      if (std::any_of(input.held.begin(), input.held.end(), elsewhere)) return reason("takes a tensor");
      if (input.constant.isTensor() && elsewhere(input.constant.toTensor())) return reason("takes a tensor");
      if (input.constant.isDevice()) {
        const auto named = input.constant.toDevice();
        names_device = true;
        if (named.type() != device.type() || (named.has_index() && named.index() != device.index())) return reason("gives a tensor");
      }
    }
    if (!any_tensor && !names_device && !device.is_cpu()) return reason("gives a tensor");
  }
  return "";
}

}  // namespace

std::string Engine::obstacle_on_device(const DevicePasses::Programs& programs, const DevicePasses::Inputs& inputs) const {
  if (w_.empty()) return "there are no parameters";
  const auto device = w_.front().device();
  if (settings_.accumulation_steps != 1) {
    if (settings_.perturbs_per_micro) return "each micro-batch of a step perturbs the weights by itself";
    if (const auto climb = settings_.method.find("climb"); settings_.perturbs && climb != settings_.method.end() && climb->second.name != "gradient")
      return "the method's part climb \"" + climb->second.name + "\" has no form over micro-batches that stays on a GPU";
    const auto when = settings_.method.find("when");
    if (settings_.perturbs && when != settings_.method.end() && when->second.name == "probability" &&
        std::any_of(programs.begin(), programs.end(), [](const auto& each) { return each.second->draws; }))
      return "over micro-batches both the net and the method draw random numbers";
  }
  if (!base_->has_device_form()) return "the base optimizer " + settings_.base + " has no form that stays on a GPU";
  if (settings_.perturbs)
    if (auto obstacle = DeviceMethod::obstacle(settings_.method); !obstacle.empty()) return obstacle;
  for (const auto* tensors : {&w_, &buffers_})
    for (const auto& tensor : *tensors)
      if (tensor.device() != device) return "the model lies on several devices";
  for (const auto& w : w_) {
    if (is_narrow(w) && !base_->is_fused()) return "the base optimizer " + settings_.base + " has no form that stays on a GPU for parameters in float16 or bfloat16";
    if (!is_narrow(w) && w.scalar_type() != at::kFloat && w.scalar_type() != at::kDouble) return std::string("parameters are in ") + c10::toString(w.scalar_type());
  }
  for (const auto& input : inputs)
    if (input.tensor.device() != device) return "the batch is not where the weights are";
  for (const auto& [key, program] : programs) {
    if (!program->backward_obstacle.empty()) return "autograd runs the backward";
    if (auto reason = leaves(*program, device); !reason.empty()) return reason;
  }
  return "";
}

bool Engine::can_stay(const DevicePasses::Programs& programs, const DevicePasses::Inputs& inputs) {
  for (const auto& [size, program] : programs) {
    const std::weak_ptr<const Program> each = program;
    auto obstacle = device_obstacles_.find(each);
    if (obstacle == device_obstacles_.end()) {
      if (device_obstacles_.size() >= kMostPrograms) device_obstacles_.clear();
      obstacle = device_obstacles_.emplace(each, obstacle_on_device({{size, program}}, inputs)).first;
    }
    if (!obstacle->second.empty()) return false;
  }
  return true;
}

void Engine::note_failure(const std::string& failure) {
  if (failure.empty() || !capture_failure.empty()) return;
  capture_failure = failure.substr(0, failure.find('\n'));
  TORCH_WARN("A compiled step could not be captured in a CUDA graph, and goes on without: ", capture_failure);
}

void Engine::forget_device_steps() {
  device_steps_.clear();
  device_micros_.clear();
  device_window_ = {};
  owned_.clear();
}

std::optional<Report> Engine::step_on_device(ProgramPasses& passes, const DevicePasses::Programs& programs, const DevicePasses::Inputs& inputs,
                                             const Plan& plan, bool captures, const std::atomic<bool>& cancelled) {
  if (!can_stay(programs, inputs) || (captures && !w_.front().is_cuda())) return std::nullopt;
  return take_on_device(passes, {passes.batch_size(), programs, inputs, nullptr, captures, cancelled}, plan);
}

Engine::DeviceKey Engine::device_key(int64_t batch_size, DeviceMethod::Kind kind, const DevicePasses::Programs& programs) {
  DeviceKey key{batch_size, kind, {}};
  for (const auto& [_, program] : programs) std::get<2>(key).push_back(program.get());
  return key;
}

std::optional<Report> Engine::take_on_device(Passes& passes, const OnDevice& given, const Plan& plan) {
  at::NoGradGuard no_grad;
  const auto step = step_over(passes, plan);
  const bool active = is_active(step);
  const auto device = w_.front().device();
  NoiseState noise(w_);
  using Kind = DeviceMethod::Kind;
  auto kind = active ? Kind::climbs : Kind::base;
  std::vector<Piece> pieces;
  Report report;
  if (active) {
    if (settings_.method.contains("when")) noise.save();  // it may draw, and once more in the ordinary step
    begin(step, true);
    if (!method_.when->before(step)) kind = Kind::plain;
    if (kind == Kind::climbs) pieces = (*method_.split)(step, report);
  }
  const auto key = device_key(given.batch_size, kind, given.programs);
  auto found = device_steps_.find(key);
  if (found == device_steps_.end()) {
    if (device_steps_.size() >= kMostDeviceSteps) device_steps_.clear();
    DeviceStep::Settings settings{settings_.method, settings_.max_grad_norm, settings_.max_grad_value, settings_.same_noise, loss_scale.scales(), arranges_, kind, given.micro};
    auto made = std::make_unique<DeviceStep>(std::move(settings), given.programs, buffers_, given.inputs, given.batch_size, device, given.captures && may_capture(),
                                             given.cancelled);
    found = device_steps_.emplace(key, std::move(made)).first;
  }
  auto memory = this->memory();
  own(memory);
  std::optional<Report> taken;
  try {
    taken = (*found->second)({step, given.inputs, pieces, memory, loss_scale.scale});
  } catch (...) {
    noise.restore();
    if (!is_out_of_memory()) throw;
    forget_device_steps();
    device::empty_caches();
    return std::nullopt;
  }
  note_failure(found->second->failure());
  if (!taken.has_value()) {
    noise.restore();
    return std::nullopt;
  }
  for (auto* part : active_parts(step)) part->discard();  // what it remembers was changed in place: what the last ordinary step had ready is old
  counters.steps++;
  counters.method_steps += active;
  loss_scale.update(true);
  steps_on_device++;
  if (found->second->replayed()) graph_replays++;
  return taken;
}

// A step on the device changes the method's memory in place: nobody else may look at it.
void Engine::own(Memory& memory) {
  for (const auto& [name, tensors] : memory.tensors) {
    auto& owned = owned_[name];
    owned.resize(tensors->size());
    for (size_t k = 0; k < tensors->size(); k++) {
      auto& tensor = (*tensors)[k];
      if (!tensor.defined() || owned[k].is_same(tensor)) continue;
      tensor = at::empty_like(w_[k]).copy_(tensor);
      owned[k] = tensor;
    }
  }
}

std::string Engine::note_on_device(const std::shared_ptr<Program>& program, bool captures) const {
  const auto known = device_obstacles_.find(std::weak_ptr<const Program>(program));
  auto obstacle = known != device_obstacles_.end() ? known->second : obstacle_on_device({{{}, program}});
  if (!obstacle.empty() || !captures) return obstacle;
  if (!w_.front().is_cuda()) return "the weights are not on a GPU";
  if (!device::Graph::is_compiled()) return "the addon was compiled without CUDA's headers";
  return capture_failure;
}

}  // namespace steppe::sam
