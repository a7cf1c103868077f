#include "kernel_threads.h"

#include <ATen/Parallel.h>
#include <ATen/TensorIterator.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>
#include <vector>

#include "kernel_crew.h"
#include "kernel_stages.h"

#ifdef __linux__
extern "C" {
__attribute__((weak)) void GOMP_parallel(void (*body)(void*), void* data, unsigned threads, unsigned flags);  // what GCC makes of `omp parallel`
__attribute__((weak)) void GOMP_parallel_start(void (*body)(void*), void* data, unsigned threads);  // the calling thread goes on, without `body`
__attribute__((weak)) void GOMP_parallel_end();
__attribute__((weak)) int omp_get_num_threads();
__attribute__((weak)) int omp_get_thread_num();
__attribute__((weak)) void omp_set_num_threads(int);
__attribute__((weak)) int MKL_Set_Num_Threads_Local(int);  // MKL's C name; returns what was set before, 0 for nothing
}
#endif

namespace steppe {
namespace {

using kernel_threads::Body;
using kernel_threads::Crew;
using kernel_threads::Failure;
using kernel_threads::watch;
using kernel_threads::Work;

constexpr int64_t kMostCalls = 1024;

#ifdef __linux__
// By LibTorch's own OpenMP, on all threads that a kernel of LibTorch's has: GNU's OpenMP ends those that a smaller team leaves out, and the
// next kernel would start them again.
void on_parts_by_openmp(Work work) {
  GOMP_parallel([](void* data) { static_cast<const Work*>(data)->part(omp_get_thread_num(), omp_get_num_threads()); }, &work, /*threads=*/0, 0);
}

bool can_hold() { return GOMP_parallel_start != nullptr && GOMP_parallel_end != nullptr; }

// A crew of the threads of one OpenMP region. Whether there is more than one.
bool hold(Crew& crew) {
  crew.begin(at::get_num_threads());
  GOMP_parallel_start([](void* data) { static_cast<Crew*>(data)->serve(omp_get_thread_num()); }, &crew, /*threads=*/0);
  crew.started_with(omp_get_num_threads());
  return crew.size() > 1;
}

void let_go_of(Crew& crew) {
  crew.end();
  GOMP_parallel_end();
}
#endif

// Of this thread.
struct Holding {
  bool wanted = false, held = false, works = false;
  bool called = false;  // since the outermost of HeldKernelThreads
  Crew own;                // held
  Crew* leads = nullptr;  // within on_crews
};
Holding& holding() {
  static thread_local Holding instance;
  return instance;
}

void on_crew(Crew& crew, const Work& work) {
  auto& mine = holding();
  mine.works = true;
  crew.run(work);
  mine.works = false;
}

// Calls each thread that has one with its part of [0, count); the first's is the largest. Where there is no other way to LibTorch's threads,
// its iterator calls back within its own at::parallel_for: here over tensors of one element per call, which nobody reads. That takes twice as
// long.
void on_parts(int64_t count, const Body& body) {
  auto& mine = holding();
  Failure failure;
  const Work work{count, body, &failure};
  if (mine.leads != nullptr) {
    if (count <= 1 || mine.works || mine.leads->size() <= 1) return body(0, count);
    on_crew(*mine.leads, work);
    return failure.end();
  }
#ifdef __linux__
  if (GOMP_parallel != nullptr && omp_get_num_threads != nullptr && omp_get_thread_num != nullptr) {
    if (count <= 1 || is_kernel_thread() || at::get_num_threads() <= 1) return body(0, count);
    mine.called = true;
    if (mine.wanted && !mine.held && can_hold()) {
      mine.held = hold(mine.own);
      if (!mine.held) {
        let_go_of(mine.own);
        mine.wanted = false;
      }
    }
    if (mine.held) {
      on_crew(mine.own, work);
    } else {
      on_parts_by_openmp(work);
    }
    return failure.end();
  }
#endif
  mine.called = mine.called || count > 1;
  static char cells[kMostCalls];
  auto some = at::from_blob(cells, {count}, at::kByte);
  auto each = at::TensorIterator::nullary_op(some);
  each.for_each([&](char** data, const int64_t*, int64_t size, int64_t) { body(data[0] - cells, size); }, /*grain_size=*/1);
}

}  // namespace

bool is_kernel_thread() {
  const auto& mine = holding();
  if (mine.leads != nullptr) return mine.works || mine.leads->size() <= 1;
  return mine.held ? mine.works : at::in_parallel_region();
}

int64_t kernel_thread_count() {
  if (is_kernel_thread()) return 1;
  const auto* leads = holding().leads;
  return leads != nullptr ? leads->size() : at::get_num_threads();
}

bool kernel_threads_are_at_hand() {
  const auto& mine = holding();
  return mine.leads != nullptr ? mine.leads->size() > 1 : mine.called;
}

// Those that are held are a parallel region of this thread's own.
HeldKernelThreads::HeldKernelThreads() : outer_(std::exchange(holding().wanted, holding().held || !at::in_parallel_region())) {
  if (!outer_) holding().called = false;
}

HeldKernelThreads::~HeldKernelThreads() {
  if (!outer_) let_go();
  holding().wanted = outer_;
}

void HeldKernelThreads::let_go() {
#ifdef __linux__
  auto& mine = holding();
  if (!mine.held || mine.works || mine.leads != nullptr) return;
  let_go_of(mine.own);
  mine.held = false;
#endif
}

void on_kernel_threads(int64_t count, c10::function_ref<void(int64_t i)> body) {
  for (int64_t done = 0; done < count; done += kMostCalls) {
    on_parts(std::min(count - done, kMostCalls), [body, done](int64_t first, int64_t size) {
      for (int64_t i = first; i < first + size; i++) body(done + i);
    });
  }
}

void on_kernel_stages(int64_t stages, int64_t parts, c10::function_ref<void(int64_t stage, int64_t part)> body,
                      c10::function_ref<bool(int64_t stage, int64_t part)> idle) {
  if (parts <= 1 || is_kernel_thread()) {
    for (int64_t stage = 0; stage < stages; stage++)
      for (int64_t i = 0; i < parts; i++) body(stage, i);
    return;
  }
  kernel_threads::Stages all(stages, parts, body, idle);
  on_kernel_threads(parts, [&](int64_t i) { all.take_part(i); });
}

void take_in_kernel_threads() {
  if (auto* crew = holding().leads; crew != nullptr && !holding().works) crew->take_in();
}

namespace {

// Those who lead, and those who help them.
class Crews {
 public:
  Crews(int64_t leaders, int64_t threads, c10::function_ref<void(int64_t i)> job) : crews_(leaders), job_(job) {
    for (auto& each : crews_) each.crew.begin(threads);
  }
  // What a thread does: leads, by itself or where nobody does, and then helps until all leaders have ended.
  void take_part(int64_t first, int64_t count) {
    const auto leaders = static_cast<int64_t>(crews_.size());
    for (int64_t i = first; i < std::min(first + count, leaders); i++) lead(i);
    for (int64_t i = 0; i < leaders; i++) lead(i);
    kernel_threads::watch([&] {
      if (auto* crew = fewest()) crew->join();
      return ended_.load(std::memory_order_acquire) == leaders;
    });
  }
  void end() const { failure_.end(); }

 private:
  struct Entry {
    Crew crew;
    std::atomic<bool> has_leader{false}, leads{false};
  };
  void lead(int64_t i) {
    auto& [crew, has_leader, leads] = crews_[i];
    if (has_leader.exchange(true)) return;
    auto& mine = holding();
    auto* const outer = std::exchange(mine.leads, &crew);
    const bool works = std::exchange(mine.works, false);
    leads.store(true, std::memory_order_release);
    try {
      job_(i);
    } catch (...) {
      failure_.take();
    }
    mine.leads = outer;
    mine.works = works;
    crew.end();
    ended_.fetch_add(1, std::memory_order_release);
  }
  // The crew that the fewest have joined.
  Crew* fewest() {
    Crew* found = nullptr;
    for (auto& [crew, has_leader, leads] : crews_)
      if (leads.load(std::memory_order_acquire) && !crew.has_ended() && (found == nullptr || crew.came() < found->came())) found = &crew;
    return found;
  }

  std::vector<Entry> crews_;
  c10::function_ref<void(int64_t i)> job_;
  std::atomic<int64_t> ended_{0};
  Failure failure_;
};

}  // namespace

void on_crews(int64_t leaders, c10::function_ref<void(int64_t i)> job) {
  const auto most = std::min(leaders, kMostCalls), threads = std::clamp(kernel_thread_count(), most, kMostCalls);
  Crews crews(most, threads, job);
  on_parts(threads, [&](int64_t first, int64_t count) { crews.take_part(first, count); });
  crews.end();
}

OneKernelThread::OneKernelThread() : threads_(at::get_num_threads()) {  // a thread's first question sets its default: it must not come after
#ifdef __linux__
  if (omp_set_num_threads != nullptr) omp_set_num_threads(1);
  if (MKL_Set_Num_Threads_Local != nullptr) mkl_threads_ = MKL_Set_Num_Threads_Local(1);
#endif
}

OneKernelThread::~OneKernelThread() {
#ifdef __linux__
  if (omp_set_num_threads != nullptr) omp_set_num_threads(threads_);
  if (MKL_Set_Num_Threads_Local != nullptr) MKL_Set_Num_Threads_Local(mkl_threads_);
#endif
}

}  // namespace steppe
