// The one file that needs CUDA's own headers, compiled with them only where they are found.
#include "graph.h"

#include "../errors.h"
#include "accelerator.h"

#ifdef STEPPE_CUDA_GRAPHS
#include <ATen/core/CachingHostAllocator.h>
#include <ATen/cuda/CUDAGeneratorImpl.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/core/Event.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <map>
#include <mutex>
#include <vector>
#endif

namespace steppe::device {

#ifdef STEPPE_CUDA_GRAPHS

namespace {

using c10::cuda::CUDAStream;
using Pool = c10::MempoolId_t;

// Up to LibTorch 2.13 a graph must be told of each generator that is drawn from; from 2.14 on it finds out.
template <class AnyGraph>
void announce(AnyGraph& graph, const at::Generator& generator) {
  if constexpr (requires { graph.register_generator_state(generator); }) graph.register_generator_state(generator);
}

// Where the work of this thread's graphs runs, before it is captured and in it: one stream for all of them, since LibTorch's
// libraries keep a workspace for each that was used. Streams of high priority are seldom a user's own.
CUDAStream work_stream(c10::DeviceIndex index) {
  thread_local std::map<c10::DeviceIndex, CUDAStream> streams;
  const auto found = streams.find(index);
  return found != streams.end() ? found->second : streams.emplace(index, c10::cuda::getStreamFromPool(/*isHighPriority=*/true, index)).first->second;
}

// The work on this stream, in its place among the work of the device's current one.
void beside(const CUDAStream& stream, const std::function<void()>& work) {
  const auto current = c10::cuda::getCurrentCUDAStream(stream.device_index());
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
    try {
      join();  // what was asked for before still reads weights and inputs
    } catch (const std::exception&) {
      // The reason is what `work` threw.
    }
    throw;
  }
  join();
}

// Of a capture that failed. Up to LibTorch 2.13 one that could not be ended stays known to the allocators, with a pointer to the graph.
template <class AnyGraph>
void forget(AnyGraph& graph, c10::DeviceIndex index, const Pool& pool) {
  const auto succeeds = [](const std::function<void()>& call) {
    try {
      call();
      return true;
    } catch (const std::exception&) {
      return false;
    }
  };
  const bool was_ended = succeeds([&] { graph.pool(); });
  const auto forget_pinned = [&](auto* host) {
    if constexpr (requires { host->end_allocate_to_pool(pool); }) host->end_allocate_to_pool(pool);
  };
  if constexpr (!requires { graph.pools(); }) {
    if (!was_ended) {
      succeeds([&] { c10::cuda::CUDACachingAllocator::endAllocateToPool(index, pool); });
      succeeds([&] { forget_pinned(at::getHostAllocator(at::kCUDA)); });
      succeeds([&] { c10::cuda::CUDACachingAllocator::releasePool(index, pool); });
    }
  }
  graph.reset();
}

}  // namespace

struct Graph::Captured {
  explicit Captured(c10::DeviceIndex index) : index(index) {}

  c10::DeviceIndex index;
  std::vector<at::Generator> noises;  // they outlive the graph, which knows them
  size_t noise = 0;                   // drawn from last
  at::cuda::CUDAGraph graph;
  bool ready = false;

  at::Generator own() const { return at::cuda::detail::getDefaultCUDAGenerator(index); }
  static at::CUDAGeneratorImpl& sequence(at::Generator& generator) { return *generator.get<at::CUDAGeneratorImpl>(); }

  // Lets the device's generator, from which all operators draw, go on with another sequence.
  void go_on_with(const c10::intrusive_ptr<c10::GeneratorImpl>& other) {
    auto generator = own();
    std::lock_guard lock(generator.mutex());
    sequence(generator).graphsafe_set_state(other);
  }
};

bool Graph::is_compiled() { return true; }

Graph::Graph(c10::Device device) : captured_(std::make_unique<Captured>(device.index())) {}

void Graph::warm_up(const std::function<void()>& work) { beside(work_stream(captured_->index), work); }

void Graph::capture(const std::function<void()>& work, size_t noises) {
  auto& [index, generators, noise, graph, ready] = *captured_;
  auto own = captured_->own();
  std::lock_guard lock(capturing());
  // None is the generator's own: a capture that fails may spoil it.
  generators.clear();
  while (generators.size() < noises) {
    generators.push_back(at::cuda::detail::createCUDAGenerator(index));
    // A capture may not change the seed.
    generators.back().set_current_seed(own.current_seed());
    announce(graph, generators.back());
  }
  const auto usual = Captured::sequence(own).graphsafe_get_state();
  const auto pool = at::cuda::graph_pool_handle();
  // Another stream than the work's: with a graph go, from LibTorch 2.12 on, the workspaces of the stream that it was captured on,
  // which other graphs still use. The default stream cannot be captured.
  c10::cuda::CUDAStreamGuard guard(c10::cuda::getStreamFromPool(/*isHighPriority=*/false, index));
  draw_from(0);
  try {
    // Of this thread alone: JavaScript's goes on with what it does.
    graph.capture_begin(pool, cudaStreamCaptureModeThreadLocal);
    try {
      beside(work_stream(index), work);
    } catch (...) {
      captured_->go_on_with(usual);
      try {
        graph.capture_end();
      } catch (const std::exception&) {
        // The reason is what `work` threw.
      }
      throw;
    }
    captured_->go_on_with(usual);
    graph.capture_end();
    ready = true;
  } catch (...) {
    captured_->go_on_with(usual);
    forget(graph, index, pool);
    throw;
  }
}

void Graph::draw_from(size_t noise) {
  captured_->go_on_with(captured_->noises.at(noise).getIntrusivePtr());
  captured_->noise = noise;
}

bool Graph::is_captured() const { return captured_->ready; }

void Graph::replay(const std::vector<at::Tensor>& states) {
  auto& noises = captured_->noises;
  auto own = captured_->own();
  std::lock_guard lock(own.mutex());
  for (size_t i = 0; i < noises.size(); i++) {
    if (i < states.size()) {
      noises[i].set_state(states[i]);
    } else {
      noises[i].set_current_seed(own.current_seed());
      Captured::sequence(noises[i]).set_philox_offset_per_thread(Captured::sequence(own).philox_offset_per_thread());
    }
  }
  captured_->graph.replay();
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
void Graph::replay(const std::vector<at::Tensor>&) { fail(Code::internal, "Nothing was captured."); }

#endif

Graph::~Graph() = default;

}  // namespace steppe::device
