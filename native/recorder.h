#pragma once
#include <ATen/record_function.h>
#include <c10/core/Allocator.h>

#include <map>
#include <optional>
#include <set>
#include <unordered_set>

#include "convert.h"
#include "kernels/layouts.h"
#include "program.h"
#include "recorder_shapes.h"
#include "step_memory.h"

namespace steppe {

// Writes down what LibTorch runs below autograd while the user's loss function and its backward run once.
//
// The operators come through LibTorch's own observer hook (at::RecordFunction), local to this thread and to the threads
// that its backward uses. An operator that is a mere composition of others is looked into; of the others the outermost
// is one instruction. Tensors are recognised by storage, offset, sizes, strides and dtype, since autograd's saved tensors
// are other objects over the same storage. Storages are remembered weakly: their memory is freed as usual, but no other
// storage takes their place.
//
// A tensor that no instruction made is a constant if it existed before; if it was allocated during the recording, the
// value was made out of sight and must not be frozen: the recording is refused (or, in the backward, autograd keeps it).
class Recorder : public c10::MemoryReportingInfoBase, public std::enable_shared_from_this<Recorder> {
 public:
  Recorder(Tensors parameters, Tensors buffers, Tensors inputs);
  ~Recorder() override;
  Recorder(const Recorder&) = delete;

  // The recorder that watches this thread, or null.
  static std::shared_ptr<Recorder> current();

  struct Options {
    bool own_order;       // leave images in the order that the user gave them, see recorder_layout.h
    int64_t shapes_from;  // compute no operator of so many elements that need not be, see recorder_shapes.h; 0: compute all
  };
  // Starts to watch this thread.
  static std::shared_ptr<Recorder> begin(Tensors parameters, Tensors buffers, Tensors inputs, Options options);
  // In the place of inputs that the loss function is given, others over the same memory: what it captured of its own accord, be it the very tensor
  // of the first call, is then another, a constant. Those that are a slot's memory, or have a gradient, stay themselves.
  static Tensors stand_ins(const Tensors& inputs, const Tensors& slots);
  // The forward is over: its results, of which `extras` are what the program gives besides the loss. Refuses wrong ones.
  void end_forward(const at::Tensor& loss, const Tensors& extras);
  // Between the two, another thread may take over: this one is watched no longer / the calling one is from now on.
  void hand_over();
  void enter_thread();
  // Runs the backward of `loss`, stops, and returns the program.
  std::shared_ptr<Program> finish(const at::Tensor& loss);
  // After `finish`, where the forward was not computed: runs the program, and refuses it if a kernel lays out its result
  // otherwise than was written down.
  void check_layouts(const std::atomic<bool>& cancelled) const;
  bool computed() const { return shapes_from_ == 0; }
  // Whether the forward changes what the user gave: its backward may then rely on the changed values.
  bool changes_inputs() const { return !program_->changed_inputs.empty(); }
  // Stops watching and puts generators, buffers and inputs back as they were. May be called twice.
  void stop();
  // Whether images were put into another order.
  bool relaid() const { return relaid_; }

  // Called before an operator that JavaScript asked for: refuses one that cannot be part of a program, and may bring its
  // operands into another order in memory.
  static void before_call(const OperatorPlan& plan, torch::jit::Stack& stack);
  // Called where JavaScript reads values.
  static void refuse_read(Instance& instance, const std::string& what);

  // While one lives, what this thread allocates and calls is no part of the program: data that JavaScript brings.
  struct Constants {
    Constants();
    ~Constants();
    ShapesOnly::Suspend compute;
  };

  // MemoryReportingInfoBase: every allocation made on the watched threads.
  void reportMemoryUsage(void* pointer, int64_t size, size_t, size_t, c10::Device) override;
  bool memoryProfilingEnabled() const override { return true; }

 private:
  // What makes two tensor objects the same tensor.
  struct Key {
    const void* storage;
    at::ScalarType dtype;
    int64_t offset;
    bool conjugated, negated, strided;
    std::vector<int64_t> sizes, strides;
    auto operator<=>(const Key&) const = default;
  };
  static Key key_of(const at::Tensor& tensor);
  static const void* storage_of(const at::Tensor& tensor);
  struct Pending;
  void leave_thread();
  void restore();
  static std::unique_ptr<at::ObserverContext> on_start(const at::RecordFunction& function);
  static void on_end(const at::RecordFunction& function, at::ObserverContext* context);

  std::unique_ptr<at::ObserverContext> start(const at::RecordFunction& function);
  void end(const at::RecordFunction& function, Pending& pending);
  bool look_into(const c10::OperatorHandle& op, c10::ArrayRef<const c10::IValue> inputs) const;
  bool saves_overwritten(const c10::OperatorHandle& op, c10::ArrayRef<const c10::IValue> inputs) const;
  bool reads_unfilled(const c10::OperatorHandle& op, c10::ArrayRef<const c10::IValue> inputs) const;
  Program::Operand operand(const c10::IValue& value);
  int32_t reg_of(const at::Tensor& tensor) const;  // existing register or kNone
  int32_t new_reg(const at::Tensor& tensor);
  void reserve_address(const at::Tensor& tensor);
  void admit_constant(const at::Tensor& tensor);
  void obstacle(const std::string& why);
  void before_writes(const c10::OperatorHandle& op, c10::ArrayRef<const c10::IValue> inputs);
  void before_write(const at::Tensor& tensor, const c10::OperatorHandle& op);
  void save_own(const at::Tensor& tensor);
  std::vector<Program::View> as_views(const Program::Instruction& instruction) const;
  void differentiate(const at::Tensor& loss);
  Layouts layouts() const;
  std::vector<std::optional<uint32_t>> changed_buffer_of_registers() const;

  Tensors parameters_, buffers_, inputs_;
  Tensors buffer_values_, input_values_;  // as they were; inputs' only where they change
  std::vector<std::pair<at::Tensor, at::Tensor>> own_values_;  // likewise of tensors of the user's own that change, in their order
  std::set<Key> saved_own_;
  std::vector<std::pair<at::Generator, at::Tensor>> generator_states_;
  std::shared_ptr<Program> program_ = std::make_shared<Program>();
  std::map<Key, int32_t> registers_;
  std::vector<Key> keys_;  // by register
  std::vector<c10::weak_intrusive_ptr<c10::StorageImpl>> storages_;
  std::vector<c10::weak_intrusive_ptr<c10::TensorImpl>> storageless_;
  std::unordered_set<const void*> reserved_;   // of the two above
  std::unordered_set<const void*> allocated_;  // memory that was allocated during the recording and is in use
  std::unordered_set<const void*> copies_;     // storages that might be views if nothing had been put into another order
  struct Quiet;
  std::optional<StepMemory> memory_;           // while it watches, as is the next
  std::shared_ptr<Quiet> quiet_;
  std::optional<ShapesOnly> shapes_only_;      // while it runs the forward or the backward
  std::string obstacle_;
  bool own_order_ = true, relaid_ = false;
  bool on_cpu_ = true;     // all registers
  bool in_backward_ = false;
  bool watching_ = false;  // the thread that entered
  bool restored_ = false;
  int64_t shapes_from_ = 0;
  int inside_ = 0;     // depth of recorded operators: what runs inside them is theirs
  int constants_ = 0;
  std::unordered_set<const void*> unfilled_;  // storages of empty() that nothing was written to yet
  std::vector<const void*> overwritten_;  // storages that the recorded operator writes to
  at::CallbackHandle callback_ = at::INVALID_CALLBACK_HANDLE;
};

}  // namespace steppe
