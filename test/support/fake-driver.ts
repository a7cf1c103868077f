import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * A libcuda.so.1 that tells of GPUs that are not there: what doctor and torch.cuda say of a driver, without one.
 *
 * @param folder where it is made, for LD_LIBRARY_PATH
 * @param options `init`: the result of starting it, 0 is success
 */
export function fakeDriver(folder: string, { cuda = 13000, init = 0, names = ["Fake GPU"] }: { cuda?: number; init?: number; names?: readonly string[] } = {}): string {
  mkdirSync(folder, { recursive: true });
  const source = join(folder, "driver.cc");
  writeFileSync(
    source,
    `#include <cstddef>
#include <cstring>
static const char* names[] = {${[...names, ""].map((name) => JSON.stringify(name)).join(", ")}};
extern "C" {
int cuInit(unsigned) { return ${init}; }
int cuDriverGetVersion(int* version) { *version = ${cuda}; return 0; }
int cuDeviceGetCount(int* count) { *count = ${names.length}; return 0; }
int cuDeviceGet(int* device, int index) { *device = index; return 0; }
int cuDeviceGetName(char* name, int length, int device) { std::strncpy(name, names[device], length); return 0; }
int cuDeviceTotalMem_v2(size_t* bytes, int) { *bytes = size_t{80} << 30; return 0; }
int cuDeviceGetAttribute(int* value, int attribute, int) { *value = attribute == 75 ? 9 : attribute == 76 ? 0 : attribute == 16 ? 132 : 0; return 0; }
int cuGetErrorString(int result, const char** text) { *text = result == 100 ? "no CUDA-capable device is detected" : "system has unsupported display driver"; return 0; }
}
`,
  );
  execFileSync(process.env["CXX"] ?? "c++", ["-shared", "-fPIC", "-o", join(folder, "libcuda.so.1"), source]);
  return folder;
}
