// Modules are shared objects that nvcc.py made. A function is found by its linkage name, as in a real module.
#include <dlfcn.h>
#include <elf.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <vector>

#include "modules.h"
#include "shared_memory.h"

namespace cuda_on_cpu {
namespace {

namespace fs = std::filesystem;

// Every loaded image is a file of its own: dlopen would take a second copy for the first. The files stay until the
// process ends, so that debuggers and sanitizers can read the line numbers.
class ImageDirectory {
public:
    fs::path next() {
        if (path_.empty()) {
            std::string name = (fs::temp_directory_path() / "cuda_on_cpu-XXXXXX").string();
            path_ = mkdtemp(name.data());
            owner_ = getpid();
        }
        return path_ / ("module-" + std::to_string(count_++) + ".so");
    }
    ~ImageDirectory() {
        if (!path_.empty() && owner_ == getpid()) fs::remove_all(path_);  // not a fork's
    }

private:
    fs::path path_;
    pid_t owner_ = 0;
    unsigned count_ = 0;
};
ImageDirectory images;

size_t symbol_size(void *address) {
    Dl_info info;
    void *symbol = nullptr;
    if (!dladdr1(address, &info, &symbol, RTLD_DL_SYMENT) || !symbol) return 0;
    return static_cast<const Elf64_Sym *>(symbol)->st_size;
}

CUresult load(CUmodule *module, const fs::path &path) {
    void *const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library) return fail(CUDA_ERROR_INVALID_IMAGE, dlerror());
    const auto *kernels = static_cast<const Kernel *>(dlsym(library, "cuda_on_cpu_kernels"));
    const auto *count = static_cast<const unsigned *>(dlsym(library, "cuda_on_cpu_kernel_count"));
    if (!kernels || !count) return fail(CUDA_ERROR_INVALID_IMAGE, "not made by the CPU's nvcc");
    *module = new CUmod_st{library, {}, {}, {}, {}};
    for (unsigned i = 0; i < *count; i++)
        (kernels[i].entry ? (*module)->kernels : (*module)->shared_arrays).push_back(&kernels[i]);
    return CUDA_SUCCESS;
}

}  // namespace

std::vector<const Kernel *> shared_owners(const CUfunc_st &function) {
    std::vector<const Kernel *> owners = function.module->shared_arrays;
    owners.push_back(function.kernel);
    return owners;
}

size_t static_shared(const CUfunc_st &function) {
    size_t size = 0;
    for (const Kernel *owner : shared_owners(function))
        size += static_cast<size_t>(owner->shared_end - owner->shared_begin);
    return size;
}

}  // namespace cuda_on_cpu

using namespace cuda_on_cpu;

ENTRY cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned, CUjit_option *, void **) {
    ENTER;
    const auto *header = static_cast<const Elf64_Ehdr *>(image);
    if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_machine != EM_X86_64)
        return fail(CUDA_ERROR_NO_BINARY_FOR_GPU, "a module for a GPU; is the CPU's nvcc first on PATH?");
    const size_t size = header->e_shoff + size_t(header->e_shnum) * header->e_shentsize;  // what an ELF file ends with
    const fs::path path = images.next();
    std::ofstream(path, std::ios::binary).write(static_cast<const char *>(image), static_cast<std::streamsize>(size));
    return load(module, path);
}

ENTRY cuModuleLoadData(CUmodule *module, const void *image) {
    return cuModuleLoadDataEx(module, image, 0, nullptr, nullptr);
}

ENTRY cuModuleLoad(CUmodule *module, const char *path) {
    ENTER;
    std::error_code error;
    const fs::path copy = images.next();
    if (!fs::copy_file(path, copy, error)) return fail(CUDA_ERROR_FILE_NOT_FOUND, path);
    return load(module, copy);
}

ENTRY cuModuleUnload(CUmodule module) {
    ENTER;
    const CUresult result = finish_all_streams();
    for (const CUdeviceptr variable : module->variables) remove_device_range(variable);
    dlclose(module->library);
    delete module;
    return result;
}

ENTRY cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name) {
    ENTER;
    const void *const entry = dlsym(module->library, name);
    for (const Kernel *kernel : module->kernels) {
        if (kernel->entry != entry) continue;
        module->functions.push_back(std::make_unique<CUfunc_st>(CUfunc_st{module, kernel, name, max_static_shared}));
        *function = module->functions.back().get();
        return CUDA_SUCCESS;
    }
    return fail(CUDA_ERROR_NOT_FOUND, std::string("no kernel has the linkage name ") + name);
}

ENTRY cuModuleGetGlobal_v2(CUdeviceptr *address, size_t *size, CUmodule module, const char *name) {
    ENTER;
    void *const variable = dlsym(module->library, name);
    const size_t bytes = variable ? symbol_size(variable) : 0;
    if (!bytes) return fail(CUDA_ERROR_NOT_FOUND, std::string("no variable has the linkage name ") + name);
    const CUdeviceptr place = reinterpret_cast<CUdeviceptr>(variable);
    add_device_range(place, bytes);
    module->variables.push_back(place);
    if (address) *address = place;
    if (size) *size = bytes;
    return CUDA_SUCCESS;
}

ENTRY cuFuncGetAttribute(int *value, CUfunction_attribute name, CUfunction function) {
    switch (name) {
        case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK: *value = static_cast<int>(function->kernel->max_threads); break;
        case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES: *value = static_cast<int>(static_shared(*function)); break;
        case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
            *value = static_cast<int>(function->dynamic_shared_limit);
            break;
        case CU_FUNC_ATTRIBUTE_NUM_REGS: *value = 32; break;  // made up: a CPU's registers say nothing about a GPU's
        default: *value = 0;
    }
    return CUDA_SUCCESS;
}

ENTRY cuFuncSetAttribute(CUfunction function, CUfunction_attribute name, int value) {
    if (name != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES) return CUDA_SUCCESS;
    if (value < 0 || static_cast<size_t>(value) + static_shared(*function) > max_dynamic_shared)
        return fail(CUDA_ERROR_INVALID_VALUE,
                    "a block can have " + std::to_string(max_dynamic_shared) + " bytes of shared memory in all");
    function->dynamic_shared_limit = static_cast<unsigned>(value);
    return CUDA_SUCCESS;
}

ENTRY cuFuncSetCacheConfig(CUfunction, CUfunc_cache) { return CUDA_SUCCESS; }
