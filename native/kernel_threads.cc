#include "kernel_threads.h"

#include <ATen/Parallel.h>
#include <ATen/TensorIterator.h>
#include <ATen/ops/from_blob.h>

#if !defined(_WIN32)
#include <dlfcn.h>
#endif
#if defined(__linux__)
#include <link.h>
#endif

#include <algorithm>
#include <cstring>
#include <vector>

#ifdef __linux__
extern "C" {
__attribute__((weak)) void omp_set_num_threads(int);
__attribute__((weak)) int MKL_Set_Num_Threads_Local(int);  // MKL's C name; returns what was set before, 0 for nothing
}
#endif

namespace steppe {
namespace {

using Pause = int (*)(int kind);  // omp_pause_resource_all, OpenMP 5.0, section 3.2.44
constexpr int kSoft = 1;

#if defined(__linux__)
// LibTorch brings its OpenMP along under a name of its own, and is not in the scope that dlsym looks through by itself.
int visit(dl_phdr_info* info, size_t, void* found) {
  const auto* name = info->dlpi_name;
  if (name == nullptr || (std::strstr(name, "libgomp") == nullptr && std::strstr(name, "libiomp5") == nullptr && std::strstr(name, "libomp") == nullptr)) return 0;
  if (auto* library = dlopen(name, RTLD_LAZY | RTLD_NOLOAD)) {
    if (auto* pause = dlsym(library, "omp_pause_resource_all")) static_cast<std::vector<Pause>*>(found)->push_back(reinterpret_cast<Pause>(pause));
    dlclose(library);  // LibTorch holds it
  }
  return 0;
}
#endif

std::vector<Pause> find() {
  std::vector<Pause> found;
#if defined(__linux__)
  dl_iterate_phdr(visit, &found);
#elif !defined(_WIN32)
  if (auto* pause = dlsym(RTLD_DEFAULT, "omp_pause_resource_all")) found.push_back(reinterpret_cast<Pause>(pause));
#endif
  return found;
}

}  // namespace

// LibTorch's iterator calls back within its own at::parallel_for: here over tensors of one element per call, which nobody reads.
void on_kernel_threads(int64_t count, c10::function_ref<void(int64_t i)> body) {
  static char cells[1024];
  const auto most = static_cast<int64_t>(sizeof(cells));
  for (int64_t done = 0; done < count; done += most) {
    auto some = at::from_blob(cells, {std::min(count - done, most)}, at::kByte);
    auto each = at::TensorIterator::nullary_op(some);
    each.for_each(
        [&](char** data, const int64_t*, int64_t size, int64_t) {
          for (int64_t i = 0; i < size; i++) body(done + (data[0] - cells) + i);
        },
        /*grain_size=*/1);
  }
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

void release_kernel_threads() {
  static const auto pauses = find();
  for (const auto pause : pauses) pause(kSoft);
}

}  // namespace steppe
