// The one file that needs CUDA's own headers, compiled with them only where they are found.
#include "graph.h"

#include "../errors.h"

#ifdef STEPPE_CUDA_GRAPHS
#include <ATen/cuda/CUDAGeneratorImpl.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/core/Event.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <mutex>
#include <vector>
#endif

namespace steppe::device {

#ifdef STEPPE_CUDA_GRAPHS

namespace {

// Up to LibTorch 2.13 a graph must be told of each generator that is drawn from; from 2.14 on it finds out.
template <class AnyGraph>
void announce(AnyGraph& graph, const at::Generator& generator) {
  if constexpr (requires { graph.register_generator_state(generator); }) graph.register_generator_state(generator);
}

}  // namespace

struct Graph::Captured {
  explicit Captured(c10::DeviceIndex index) : index(index), stream(c10::cuda::getStreamFromPool(/*isHighPriority=*/false, index)) {}

  c10::DeviceIndex index;
  c10::cuda::CUDAStream stream;         // capturing is not possible on the default stream
  std::vector<at::Generator> noises;    // the first is the device's own; they outlive the graph, which knows them
  size_t noise = 0;                     // drawn from last
  at::cuda::CUDAGraph graph;
  bool ready = false;

  at::Generator own() const { return at::cuda::detail::getDefaultCUDAGenerator(index); }
  static at::CUDAGeneratorImpl& sequence(at::Generator& generator) { return *generator.get<at::CUDAGeneratorImpl>(); }

  // The work on the stream of its own, in its place among the work of the device's current one.
  void beside(const std::function<void()>& work) {
    const auto current = c10::cuda::getCurrentCUDAStream(index);
    c10::Event before(c10::DeviceType::CUDA), after(c10::DeviceType::CUDA);
    before.record(current);
    before.block(stream);
    const auto join = [&] {
      after.record(stream);
      after.block(current);
    };
    try {
      c10::cuda::CUDAStreamGuard guard(stream);
      work();
    } catch (...) {
      join();  // what was asked for before still reads weights and inputs
      throw;
    }
    join();
  }

  // Lets the device's generator, from which all operators draw, go on with another sequence.
  void go_on_with(at::Generator& other) {
    auto generator = own();
    std::lock_guard lock(generator.mutex());
    sequence(generator).graphsafe_set_state(other.getIntrusivePtr());
  }
};

bool Graph::is_compiled() { return true; }

Graph::Graph(c10::Device device) : captured_(std::make_unique<Captured>(device.index())) {}

void Graph::warm_up(const std::function<void()>& work) { captured_->beside(work); }

void Graph::capture(const std::function<void()>& work, size_t noises) {
  auto& [index, stream, generators, noise, graph, ready] = *captured_;
  generators.clear();
  auto own = captured_->own();
  generators.emplace_back(Captured::sequence(own).graphsafe_get_state());
  while (generators.size() < noises) {
    generators.push_back(at::cuda::detail::createCUDAGenerator(index));
    // A capture may not change the seed.
    generators.back().set_current_seed(own.current_seed());
    announce(graph, generators.back());
  }
  noise = 0;
  captured_->beside([&] {
    // Of this thread alone: JavaScript's goes on with what it does.
    graph.capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
    try {
      work();
    } catch (...) {
      captured_->go_on_with(generators.front());
      try {
        graph.capture_end();
      } catch (const std::exception&) {
        // The reason is what `work` threw.
      }
      graph.reset();
      throw;
    }
    captured_->go_on_with(generators.front());
    graph.capture_end();
    ready = true;
  });
}

void Graph::draw_from(size_t noise) {
  captured_->go_on_with(captured_->noises.at(noise));
  captured_->noise = noise;
}

bool Graph::is_captured() const { return captured_->ready; }

void Graph::replay() {
  auto& noises = captured_->noises;
  auto own = captured_->own();
  for (size_t i = 1; i < noises.size(); i++) {
    std::lock_guard lock(own.mutex());
    noises[i].set_current_seed(own.current_seed());
    Captured::sequence(noises[i]).set_philox_offset_per_thread(Captured::sequence(own).philox_offset_per_thread());
  }
  captured_->graph.replay();
  if (captured_->noise == 0) return;
  std::lock_guard lock(own.mutex());
  Captured::sequence(own).set_philox_offset_per_thread(Captured::sequence(noises[captured_->noise]).philox_offset_per_thread());
}

#else

struct Graph::Captured {};

bool Graph::is_compiled() { return false; }
Graph::Graph(c10::Device) {}
void Graph::warm_up(const std::function<void()>& work) { work(); }
void Graph::capture(const std::function<void()>&, size_t) { fail(Code::device, "This addon was compiled without CUDA's headers, which capturing needs."); }
void Graph::draw_from(size_t) { fail(Code::internal, "Nothing is captured."); }
bool Graph::is_captured() const { return false; }
void Graph::replay() { fail(Code::internal, "Nothing was captured."); }

#endif

Graph::~Graph() = default;

}  // namespace steppe::device
