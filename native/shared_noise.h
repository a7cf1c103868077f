#pragma once
#include <ATen/core/Tensor.h>
#include <c10/util/FunctionRef.h>

namespace steppe {

// What the passes of one shard draw from the CPU's default generator, while others draw from it: what they would if the shards came one after the
// other. The first pass draws in its turn (TurnOrder), later ones draw the same numbers once more.
class SharedNoise {
 public:
  void begin_pass();
  bool is_first_pass() const { return passes_ == 1; }
  void draw(c10::function_ref<void()> operators);
  // The generator's state once the first pass had drawn, as far as it came; undefined where it drew nothing.
  const at::Tensor& after_first_pass() const { return after_; }

 private:
  int passes_ = 0;
  at::Tensor start_, now_, after_;
};

}  // namespace steppe
