#include "shared_noise.h"

#include <ATen/Context.h>

#include <mutex>

#include "rng.h"

namespace steppe {
namespace {

// Sets a generator back.
class Return {
 public:
  explicit Return(at::Generator& generator) : generator_(generator), state_(steppe::generator_state(generator)) {}
  ~Return() { steppe::set_generator_state(generator_, state_); }
  Return(const Return&) = delete;

 private:
  at::Generator& generator_;
  const at::Tensor state_;
};

}  // namespace

void SharedNoise::begin_pass() {
  passes_++;
  now_ = start_;
}

void SharedNoise::draw(c10::function_ref<void()> operators) {
  static std::mutex one_at_a_time;
  std::lock_guard lock(one_at_a_time);
  auto generator = at::globalContext().defaultGenerator(at::kCPU);
  if (is_first_pass()) {
    if (!start_.defined()) start_ = generator_state(generator);
    operators();
    after_ = generator_state(generator);
    return;
  }
  const Return others(generator);
  if (now_.defined()) set_generator_state(generator, now_);
  operators();
  now_ = generator_state(generator);
}

}  // namespace steppe
