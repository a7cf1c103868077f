// The one file that needs CUDA's own headers, compiled with them only where they are found.
#include "graph.h"

#include "../errors.h"

#ifdef STEPPE_CUDA_GRAPHS
#include <ATen/cuda/CUDAGraph.h>
#include <c10/core/Event.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#endif

namespace steppe::device {

#ifdef STEPPE_CUDA_GRAPHS

struct Graph::Captured {
  // Capturing is not possible on the default stream.
  c10::cuda::CUDAStream stream = c10::cuda::getStreamFromPool();
  at::cuda::CUDAGraph graph;
  bool ready = false;

  // The work on the stream of its own, in its place among the work of the current one.
  void beside(const std::function<void()>& work) {
    const auto current = c10::cuda::getCurrentCUDAStream();
    c10::Event before(c10::DeviceType::CUDA), after(c10::DeviceType::CUDA);
    before.record(current);
    before.block(stream);
    {
      c10::cuda::CUDAStreamGuard guard(stream);
      work();
    }
    after.record(stream);
    after.block(current);
  }
};

bool Graph::is_compiled() { return true; }

Graph::Graph() : captured_(std::make_unique<Captured>()) {}

void Graph::warm_up(const std::function<void()>& work) { captured_->beside(work); }

void Graph::capture(const std::function<void()>& work) {
  captured_->beside([&] {
    auto& graph = captured_->graph;
    // Of this thread alone: JavaScript's goes on with what it does.
    graph.capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
    try {
      work();
    } catch (...) {
      try {
        graph.capture_end();
      } catch (const std::exception&) {
        // The reason is what `work` threw.
      }
      graph.reset();
      throw;
    }
    graph.capture_end();
    captured_->ready = true;
  });
}

bool Graph::is_captured() const { return captured_->ready; }

void Graph::replay() { captured_->graph.replay(); }

#else

struct Graph::Captured {};

bool Graph::is_compiled() { return false; }
Graph::Graph() = default;
void Graph::warm_up(const std::function<void()>& work) { work(); }
void Graph::capture(const std::function<void()>&) { fail(Code::device, "This addon was compiled without CUDA's headers, which capturing needs."); }
bool Graph::is_captured() const { return false; }
void Graph::replay() { fail(Code::internal, "Nothing was captured."); }

#endif

Graph::~Graph() = default;

}  // namespace steppe::device
