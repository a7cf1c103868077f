#pragma once
#include <ATen/Parallel.h>

#include <algorithm>
#include <exception>
#include <mutex>

// at::parallel_for splits work only in code that is compiled with OpenMP, and such code would bring a second OpenMP, with threads of
// its own, beside the one that LibTorch carries. So LibTorch's is called by the names that GCC gives it (libgomp's ABI, which
// LLVM's has on Linux, too). Where it has none of them, the work is done on one thread.
#ifdef __linux__
extern "C" {
__attribute__((weak)) void GOMP_parallel(void (*body)(void*), void* data, unsigned threads, unsigned flags);
__attribute__((weak)) int omp_get_thread_num();
__attribute__((weak)) int omp_get_num_threads();
}
#endif

namespace steppe {

// Calls body(first, one past the last) for parts of [begin, end), of at least `grain` each, on as many threads as kernels may use. Which
// parts these are depends on the number of threads.
template <class Body>
void parallel_for(int64_t begin, int64_t end, int64_t grain, const Body& body) {
  if (begin >= end) return;
#ifdef __linux__
  const auto threads = std::min<int64_t>(at::get_num_threads(), (end - begin + grain - 1) / std::max<int64_t>(grain, 1));
  if (threads > 1 && GOMP_parallel != nullptr && omp_get_thread_num != nullptr && omp_get_num_threads != nullptr && !at::in_parallel_region()) {
    struct Task {
      int64_t begin, end, parts;
      const Body& body;
      std::mutex mutex;
      std::exception_ptr failure;
      static void run(void* data) {
        auto& task = *static_cast<Task*>(data);
        const auto count = std::min<int64_t>(omp_get_num_threads(), task.parts), part = (task.end - task.begin + count - 1) / count;
        const auto first = task.begin + omp_get_thread_num() * part;
        try {
          if (first < task.end) task.body(first, std::min(task.end, first + part));
        } catch (...) {  // must not leave the region
          std::lock_guard lock(task.mutex);
          task.failure = std::current_exception();
        }
      }
    } task{begin, end, threads, body, {}, nullptr};
    GOMP_parallel(&Task::run, &task, /*threads, as many as are set:*/ 0, 0);  // a smaller team would end the threads that it leaves out
    if (task.failure != nullptr) std::rethrow_exception(task.failure);
    return;
  }
#endif
  body(begin, end);
}

}  // namespace steppe
