#pragma once
#include <ATen/core/Tensor.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "../program.h"

namespace steppe::sam {

// A contiguous part of the mini-batch. count -1 is all of it.
struct Samples {
  int64_t begin = 0, count = -1;
};

// What one forward and backward at one point gives.
struct Gradient {
  double loss = 0;
  Tensors g;          // one per parameter, laid out as the parameter is; undefined where it has none
  double norm = 0;    // over all parameters together
};

// Where gradients come from: a recorded program, or the user's closure. Normalisation buffers move only in passes that
// say so, and only `commit` lets that be seen.
class Passes {
 public:
  virtual ~Passes() = default;
  virtual Gradient at(const Tensors& point, Samples samples, bool moves_buffers) = 0;
  virtual void commit() = 0;
  virtual bool draws() const = 0;            // uses random numbers
  virtual int64_t batch_size() const = 0;    // -1 where samples cannot be told apart
};

// Replays programs, one per number of samples, at any point, without touching the model.
class ProgramPasses : public Passes {
 public:
  struct Input {
    at::Tensor tensor;
    bool batched;  // first dimension is the sample
  };
  ProgramPasses(std::map<int64_t, std::shared_ptr<Program>> programs, Tensors buffers, std::vector<Input> inputs, int64_t batch_size,
                const std::atomic<bool>& cancelled)
      : programs_(std::move(programs)), buffers_(std::move(buffers)), inputs_(std::move(inputs)), batch_size_(batch_size), cancelled_(cancelled) {}

  Gradient at(const Tensors& point, Samples samples, bool moves_buffers) override;
  void commit() override;
  bool draws() const override;
  int64_t batch_size() const override { return batch_size_; }

 private:
  std::map<int64_t, std::shared_ptr<Program>> programs_;
  Tensors buffers_, pending_;
  std::vector<Input> inputs_;
  int64_t batch_size_;
  const std::atomic<bool>& cancelled_;
};

// Calls the user's closure on the JavaScript thread. The closure reads the model's own parameters, so these are set to the
// point and set back, exactly, whatever the closure does.
class ClosurePasses : public Passes {
 public:
  // `loss` runs the closure under autograd and returns its loss.
  ClosurePasses(Tensors parameters, Tensors buffers, std::function<at::Tensor()> loss)
      : parameters_(std::move(parameters)), buffers_(std::move(buffers)), loss_(std::move(loss)) {}

  Gradient at(const Tensors& point, Samples samples, bool moves_buffers) override;
  void commit() override;
  bool draws() const override { return true; }
  int64_t batch_size() const override { return -1; }

 private:
  Tensors parameters_, buffers_, pending_;
  std::function<at::Tensor()> loss_;
};

// √Σ‖x_k‖², each norm accumulated in at least float32 and their squares in float64.
double norm(const Tensors& x);

}  // namespace steppe::sam
