#pragma once
#include <functional>
#include <memory>

namespace steppe::device {

// Work of a GPU that was captured once and is asked for as a whole from then on: one launch in the place of hundreds.
class Graph {
 public:
  // Whether this addon was compiled with what capturing needs: CUDA's headers beside a CUDA LibTorch.
  static bool is_compiled();

  Graph();
  ~Graph();
  Graph(const Graph&) = delete;

  // Does the work, on the stream that is captured later: what is made at the first time (handles, workspaces) is made then.
  void warm_up(const std::function<void()>& work);
  // Writes down what `work` asks for, without doing it. Throws what `work` or LibTorch throws where that is not possible; then
  // nothing was captured.
  void capture(const std::function<void()>& work);
  bool is_captured() const;
  // Does the captured work, on the current stream.
  void replay();

 private:
  struct Captured;
  std::unique_ptr<Captured> captured_;
};

}  // namespace steppe::device
