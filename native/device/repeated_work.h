#pragma once
#include <c10/core/Device.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "graph.h"

namespace steppe::device {

// Work that is asked for again and again: call by call at first, then, if it `captures`, as one graph.
class RepeatedWork {
 public:
  RepeatedWork(c10::Device device, bool captures) : device_(device), captures_(captures) {}

  // What the work draws: how many sequences of random numbers, and where each begins if not where the generator stands.
  struct Noise {
    size_t sequences = 1;
    std::vector<at::Tensor> states{};
  };
  // `work` gets the graph that it is written down in, or null. Where that or its replay fails, `undo` comes before it is done call by call.
  void operator()(const std::function<void(Graph*)>& work, const Noise& noise, const std::function<void()>& undo);
  // What the work relies on has changed: it is written down anew.
  void renew();
  // Whether the last time was the replay of a graph.
  bool replayed() const { return replayed_; }
  // Why nothing is captured although it was asked for; empty if all is well.
  const std::string& failure() const { return failure_; }

 private:
  c10::Device device_;
  bool captures_, replayed_ = false;
  std::unique_ptr<Graph> graph_;
  std::string failure_;
  int runs_ = 0;  // on this thread, which has libraries' handles of its own
  std::thread::id thread_;
};

}  // namespace steppe::device
