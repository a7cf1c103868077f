#pragma once
#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

namespace steppe::device {

// Work of a GPU that was captured once and is asked for as a whole from then on: one launch in the place of hundreds.
class Graph {
 public:
  // Whether this addon was compiled with what capturing needs: CUDA's headers beside a CUDA LibTorch.
  static bool is_compiled();

  explicit Graph(c10::Device device);
  ~Graph();
  Graph(const Graph&) = delete;

  // Does the work, on the stream that is captured later: what is made at the first time (handles, workspaces) is made then.
  void warm_up(const std::function<void()>& work);
  // Writes down what `work` asks for, without doing it. Throws what `work` or LibTorch throws where that is not possible; then
  // nothing was captured. `noises`: how many sequences of random numbers it draws from.
  void capture(const std::function<void()>& work, size_t noises);
  // While it is captured: from here on random numbers come from that one of the sequences. In a replay each begins where the
  // device's generator stands, or in a state of its own, and afterwards the generator stands where the last one ended that was
  // drawn from.
  void draw_from(size_t noise);
  bool is_captured() const;
  // Does the captured work, on the current stream. `states`: of the device's generator, one for each sequence, or none.
  void replay(const std::vector<at::Tensor>& states);

 private:
  struct Captured;
  std::unique_ptr<Captured> captured_;
};

}  // namespace steppe::device
