#include "kernel_threads.h"

#include <ATen/Parallel.h>
#include <ATen/TensorIterator.h>
#include <ATen/ops/from_blob.h>
#include <c10/util/ParallelGuard.h>

#include <algorithm>
#include <exception>
#include <thread>
#include <utility>

#include "spin.h"

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

constexpr int64_t kMostCalls = 1024;
constexpr int kLooks = 1 << 10;  // some tens of microseconds

// Another thread is at work, and has a processor unless the system gave it to somebody else.
template <class Done>
void watch(const Done& done) {
  for (int looks = 0; !done(); looks++) {
    if (looks < kLooks) {
      spin();
    } else {
      std::this_thread::yield();
    }
  }
}

using Body = c10::function_ref<void(int64_t first, int64_t size)>;

// What the first part that failed threw.
class Failure {
 public:
  void take() {
    if (!failed_.test_and_set()) exception_ = std::current_exception();
  }
  void end() const {
    if (exception_ != nullptr) std::rethrow_exception(exception_);
  }

 private:
  std::atomic_flag failed_;
  std::exception_ptr exception_;
};

// The parts of one call.
struct Work {
  int64_t count;
  Body body;
  Failure* failure;
  // Of `of` threads the i-th's.
  void part(int64_t i, int64_t of) const {
    const auto most = (count + of - 1) / of, first = i * most;
    if (first >= count) return;
    const c10::ParallelGuard guard(true);
    try {
      body(first, std::min(most, count - first));
    } catch (...) {
      failure->take();
    }
  }
};

#ifdef __linux__
// By LibTorch's own OpenMP, on all threads that a kernel of LibTorch's has: GNU's OpenMP ends those that a smaller team leaves out, and the
// next kernel would start them again.
void on_parts_by_openmp(Work work) {
  GOMP_parallel([](void* data) { static_cast<const Work*>(data)->part(omp_get_thread_num(), omp_get_num_threads()); }, &work, /*threads=*/0, 0);
}

// Threads of one OpenMP region, which watch for work from the thread that began it.
class HeldTeam {
 public:
  // Whether there is more than one thread.
  bool begin() {
    round_.store(0, std::memory_order_relaxed);
    GOMP_parallel_start([](void* data) { static_cast<HeldTeam*>(data)->serve(omp_get_thread_num()); }, this, /*threads=*/0);
    size_ = omp_get_num_threads();
    return size_ > 1;
  }
  void end() {
    round_.store(kEnd, std::memory_order_release);
    GOMP_parallel_end();
  }
  void run(const Work& work) {
    work_ = work;
    of_ = size_;
    done_.store(0, std::memory_order_relaxed);
    round_.store(round_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    work.part(0, of_);
    watch([&] { return done_.load(std::memory_order_acquire) == of_ - 1; });
  }

 private:
  void serve(int64_t i) {
    for (uint64_t seen = 0;;) {
      uint64_t round = seen;
      watch([&] { return (round = round_.load(std::memory_order_acquire)) != seen; });
      if (round == kEnd) return;
      seen = round;
      work_.part(i, of_);
      done_.fetch_add(1, std::memory_order_release);
    }
  }

  static constexpr uint64_t kEnd = UINT64_MAX;
  int64_t size_ = 0;
  alignas(64) std::atomic<uint64_t> round_{0};  // and in the same line, which comes with it:
  Work work_{};
  int64_t of_ = 0;
  alignas(64) std::atomic<int64_t> done_{0};
};

bool can_hold() { return GOMP_parallel_start != nullptr && GOMP_parallel_end != nullptr; }
#endif

// Of this thread.
struct Holding {
  bool wanted = false, held = false, works = false;
#ifdef __linux__
  HeldTeam team;
#endif
};
Holding& holding() {
  static thread_local Holding instance;
  return instance;
}

// Calls each thread that has one with its part of [0, count); the first's is the largest. Where there is no other way to LibTorch's threads,
// its iterator calls back within its own at::parallel_for: here over tensors of one element per call, which nobody reads. That takes twice as
// long.
void on_parts(int64_t count, const Body& body) {
#ifdef __linux__
  if (GOMP_parallel != nullptr && omp_get_num_threads != nullptr && omp_get_thread_num != nullptr) {
    if (count <= 1 || is_kernel_thread() || at::get_num_threads() <= 1) return body(0, count);
    Failure failure;
    const Work work{count, body, &failure};
    auto& mine = holding();
    if (mine.wanted && !mine.held && can_hold()) {
      mine.held = mine.team.begin();
      if (!mine.held) {
        mine.team.end();
        mine.wanted = false;
      }
    }
    if (mine.held) {
      mine.works = true;
      mine.team.run(work);
      mine.works = false;
    } else {
      on_parts_by_openmp(work);
    }
    return failure.end();
  }
#endif
  static char cells[kMostCalls];
  auto some = at::from_blob(cells, {count}, at::kByte);
  auto each = at::TensorIterator::nullary_op(some);
  each.for_each([&](char** data, const int64_t*, int64_t size, int64_t) { body(data[0] - cells, size); }, /*grain_size=*/1);
}

}  // namespace

bool is_kernel_thread() {
  const auto& mine = holding();
  return mine.held ? mine.works : at::in_parallel_region();
}

HeldKernelThreads::HeldKernelThreads() : outer_(std::exchange(holding().wanted, !at::in_parallel_region())) {}

HeldKernelThreads::~HeldKernelThreads() {
  let_go();
  holding().wanted = outer_;
}

void HeldKernelThreads::let_go() {
#ifdef __linux__
  auto& mine = holding();
  if (!mine.held || mine.works) return;
  mine.team.end();
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

void Team::wait() {
  if (size_ == 1) return;
  const auto round = round_.load(std::memory_order_relaxed);
  if (came_.fetch_add(1, std::memory_order_acq_rel) + 1 == size_) {
    came_.store(0, std::memory_order_relaxed);
    round_.store(round + 1, std::memory_order_release);
    return;
  }
  watch([&] { return round_.load(std::memory_order_acquire) != round; });
}

void on_kernel_team(int64_t size, c10::function_ref<void(Team& team, int64_t i)> body) {
  const auto alone = [&] {
    Team one(1);
    body(one, 0);
  };
  if (size <= 1 || size > std::min<int64_t>(at::get_num_threads(), kMostCalls) || is_kernel_thread()) return alone();
  // OpenMP may give fewer threads than asked for. Then the first has more than one part, and would wait for itself.
  enum { unknown, together, apart };
  std::atomic<int> found{unknown};
  Team team(size);
  on_parts(size, [&](int64_t first, int64_t count) {
    if (first == 0) found.store(count == 1 ? together : apart, std::memory_order_release);
    watch([&] { return found.load(std::memory_order_acquire) != unknown; });
    if (found.load(std::memory_order_relaxed) == together) {
      body(team, first);
    } else if (first == 0) {
      alone();
    }
  });
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
