// The names of errors, and what exactly went wrong.
#include <map>

#include "driver.h"

namespace cuda_on_cpu {
namespace {

const std::map<CUresult, const char *> names = {
#include "error_names.inc"
};
CUresult last_code = CUDA_SUCCESS;
std::string last_explanation, last_text;

}  // namespace

CUresult fail(CUresult code, const std::string &explanation) {
    last_code = code;
    last_explanation = explanation;
    return code;
}

}  // namespace cuda_on_cpu

using namespace cuda_on_cpu;

ENTRY cuGetErrorName(CUresult code, const char **name) {
    const auto found = names.find(code);
    *name = found == names.end() ? nullptr : found->second;
    return *name ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

ENTRY cuGetErrorString(CUresult code, const char **text) {
    TRY(cuGetErrorName(code, text));
    if (code == last_code && code != CUDA_SUCCESS) {
        last_text = std::string(*text) + ": " + last_explanation;
        *text = last_text.c_str();
    }
    return CUDA_SUCCESS;
}

// What build.py puts behind every entry point of cuda.h that no file here defines.
extern "C" CUresult cuda_on_cpu_unsupported(const char *entry) {
    return fail(CUDA_ERROR_NOT_SUPPORTED, std::string("the CPU driver has no ") + entry);
}
