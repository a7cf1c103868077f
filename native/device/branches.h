#pragma once
#include <c10/core/Device.h>
#include <c10/core/Event.h>
#include <c10/core/Stream.h>

#include <deque>
#include <functional>
#include <vector>

#include "../turn_order.h"

namespace steppe::device {

// Pieces of work at the same time, on streams of their own. Where the current stream is captured they are branches of its
// graph. What they read must live until `join`: memory that is let go of goes to later work of the stream that it was made on,
// which knows nothing of the others. On a CPU the pieces run one after the other.
class Branches {
 public:
  explicit Branches(c10::Device device) : device_(device) {}

  // The pieces begin after what the current stream was asked for until now. At most 8 of them are under way at once.
  void fork(size_t pieces);
  void on(size_t piece, const std::function<void()>& work);
  // The current stream goes on after all of them. After an error, too: nobody may change what they still read.
  void join();

 private:
  c10::Device device_;
  std::vector<c10::Stream> streams_;  // those that were forked
};

// TurnOrder for pieces whose work is only asked for, in their order, on several streams: there nothing waits but the streams.
class StreamOrder : public TurnOrder {
 public:
  StreamOrder(c10::Device device, size_t runs) : TurnOrder(runs), device_(device), turns_(runs) {}
  bool wait(size_t run, uint32_t turns) override;
  void done(size_t run) override;

 private:
  c10::Device device_;
  std::vector<std::deque<c10::Event>> turns_;  // of each run, when each of its turns was done
};

}  // namespace steppe::device
