#if !defined(_WIN32)
#include <dlfcn.h>
#endif
#if defined(__linux__)
#include <link.h>
#endif

#include <cstring>
#include <vector>

#include "kernel_threads.h"

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

void release_kernel_threads() {
  static const auto pauses = find();
  for (const auto pause : pauses) pause(kSoft);
}

}  // namespace steppe
