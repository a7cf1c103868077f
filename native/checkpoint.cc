#include "checkpoint.h"

#include <ATen/Context.h>
#include <c10/core/AutogradState.h>
#include <torch/csrc/autograd/engine.h>
#include <torch/csrc/autograd/saved_variable_hooks.h>
#include <torch/library.h>

#include <atomic>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "functions.h"
#include "instance_data.h"
#include "rng.h"

namespace steppe {
namespace {

// One call of nn.checkpoint. While its function runs for the first time, autograd's saved tensors are counted and let go
// of. The first of them that the backward asks for runs the function again, and this time they are kept, in the same order.
// Autograd itself sees no difference, nor does a recorder: the second run's operators are part of the backward.
class Segment {
 public:
  Segment(Instance& instance, double number) : instance_(instance), number_(number), thread_(std::this_thread::get_id()) { alive++; }
  ~Segment() {
    alive--;
    std::lock_guard lock(ended_mutex);
    ended.emplace_back(&instance_, number_);
  }

  size_t pack(const at::Tensor& tensor) {
    if (again_) kept_.push_back(tensor.detach());
    return again_ ? kept_.size() - 1 : count_++;
  }

  at::Tensor unpack(size_t index) {
    if (index >= kept_.size() || !kept_[index].defined()) run_again();
    return std::exchange(kept_[index], at::Tensor());
  }

  static std::atomic<size_t> alive;
  // Numbers of segments that nobody needs any more, for JavaScript to forget their functions.
  static std::mutex ended_mutex;
  static std::vector<std::pair<Instance*, double>> ended;

 private:
  void run_again();

  Instance& instance_;
  double number_;
  std::thread::id thread_;
  size_t count_ = 0;
  bool again_ = false;
  std::vector<at::Tensor> kept_;
};

std::atomic<size_t> Segment::alive = 0;
std::mutex Segment::ended_mutex;
std::vector<std::pair<Instance*, double>> Segment::ended;

// The segment whose function runs on this thread.
thread_local std::shared_ptr<Segment> current;

struct Hooks : torch::autograd::SavedVariableHooks {
  explicit Hooks(std::shared_ptr<Segment> segment) : segment(std::move(segment)) {}
  void call_pack_hook(const at::Tensor& tensor) override { index = segment->pack(tensor); }
  at::Tensor call_unpack_hook() override { return segment->unpack(index); }
  std::shared_ptr<Segment> segment;
  size_t index = 0;
};

// LibTorch asks its engine for the hooks of saved tensors. This one is LibTorch's own, but for that, and that a backward over
// segments stays on the thread that called it: their functions are JavaScript's.
struct HookedEngine : torch::autograd::Engine {
  std::unique_ptr<torch::autograd::SavedVariableHooks> get_default_saved_variable_hooks() override {
    return current == nullptr ? nullptr : std::make_unique<Hooks>(current);
  }

  torch::autograd::variable_list execute(const torch::autograd::edge_list& roots, const torch::autograd::variable_list& inputs, bool keep_graph,
                                         bool create_graph, bool accumulate_grad, const torch::autograd::edge_list& outputs) override {
    auto& state = c10::AutogradState::get_tls_state();
    const bool before = state.get_multithreading_enabled();
    if (Segment::alive > 0) state.set_multithreading_enabled(false);
    struct Restore {
      bool before;
      ~Restore() { c10::AutogradState::get_tls_state().set_multithreading_enabled(before); }
    } restore{before};
    return Engine::execute(roots, inputs, keep_graph, create_graph, accumulate_grad, outputs);
  }

  static Engine& get() {
    static auto* engine = new HookedEngine();  // as LibTorch's own: its threads may outlive the process's statics
    return *engine;
  }
};

void Segment::run_again() {
  if (std::this_thread::get_id() != thread_) {
    fail(Code::argument, "nn.checkpoint: the backward runs on another thread than the forward, where its function cannot run again.");
  }
  kept_.clear();
  again_ = true;
  struct Restore {
    bool& again;
    ~Restore() { again = false; }
  } restore{again_};
  Napi::HandleScope scope(instance_.env);
  call_js(instance_.env, instance_.run_segment_again.Value(), {Napi::Number::New(instance_.env, number_)});
  if (kept_.size() < count_) {
    const auto numbers = std::to_string(kept_.size()) + " tensors for the backward, and the first time " + std::to_string(count_);
    fail(Code::argument, "nn.checkpoint: the function did something else when it ran again: it saved " + numbers + ".");
  }
}

// Segments by number, as long as JavaScript builds or rebuilds them; the graph holds them afterwards.
std::map<std::pair<Instance*, double>, std::weak_ptr<Segment>> segments;
std::mutex segments_mutex;

// enterSegment(number): saved tensors are the segment's until leaveSegment
thread_local std::vector<std::shared_ptr<Segment>> outer;
Napi::Value enter_segment(Call& call) {
  auto* instance = &call.instance();
  const auto number = call.number(0, "segment");
  std::lock_guard lock(segments_mutex);
  auto& entry = segments[{instance, number}];
  auto segment = entry.lock();
  if (segment == nullptr) entry = segment = std::make_shared<Segment>(*instance, number);
  outer.push_back(std::exchange(current, std::move(segment)));
  return call.env().Undefined();
}

Napi::Value leave_segment(Call& call) {
  if (outer.empty()) fail(Code::internal, "No segment was entered.");
  current = std::move(outer.back());
  outer.pop_back();
  return call.env().Undefined();
}

// endedSegments(): numbers of those whose functions will not run again
Napi::Value ended_segments(Call& call) {
  auto* instance = &call.instance();
  std::vector<double> numbers;
  {
    std::lock_guard lock(Segment::ended_mutex);
    std::erase_if(Segment::ended, [&](const auto& each) {
      if (each.first == instance) numbers.push_back(each.second);
      return each.first == instance;
    });
  }
  std::lock_guard lock(segments_mutex);
  auto result = Napi::Array::New(call.env(), numbers.size());
  for (size_t i = 0; i < numbers.size(); i++) {
    segments.erase({instance, numbers[i]});
    result[i] = numbers[i];
  }
  return result;
}

// onSegment(runAgain): what runs a segment's function again, by number
Napi::Value on_segment(Call& call) {
  call.instance().run_segment_again = Napi::Persistent(call.value(0).As<Napi::Function>());
  return call.env().Undefined();
}

// The random numbers of a segment are drawn again from the same state. As operators, these are part of programs.
at::Tensor random_state(const at::Tensor& like) {
  auto generator = at::globalContext().defaultGenerator(like.device());
  return generator_state(generator);
}

void set_random_state(const at::Tensor& state, const at::Tensor& like) {
  auto generator = at::globalContext().defaultGenerator(like.device());
  set_generator_state(generator, state);
}

void register_operators() {
  // Another copy of the package in this process may have come first.
  if (c10::Dispatcher::singleton().findSchema({"steppe::random_state", ""}).has_value()) return;
  static auto* library = new torch::Library(torch::Library::FRAGMENT, "steppe", std::nullopt, __FILE__, __LINE__);
  const std::vector<at::Tag> tags{at::Tag::nondeterministic_seeded};
  library->def("random_state(Tensor like) -> Tensor", tags);
  library->def("set_random_state(Tensor state, Tensor like) -> ()", tags);
  library->impl("random_state", torch::dispatch(c10::DispatchKey::CompositeExplicitAutograd, TORCH_FN(random_state)));
  library->impl("set_random_state", torch::dispatch(c10::DispatchKey::CompositeExplicitAutograd, TORCH_FN(set_random_state)));
}

}  // namespace

bool has_checkpoints() { return Segment::alive > 0; }

void register_checkpoints(Napi::Env env, Napi::Object exports) {
  static std::once_flag once;
  std::call_once(once, [] {
    torch::autograd::set_default_engine_stub(HookedEngine::get);
    register_operators();
  });
  define<enter_segment>(env, exports, "enterSegment");
  define<leave_segment>(env, exports, "leaveSegment");
  define<ended_segments>(env, exports, "endedSegments");
  define<on_segment>(env, exports, "onSegment");
}

}  // namespace steppe
