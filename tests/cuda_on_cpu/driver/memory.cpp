// Device memory is host memory that the driver keeps book of; copies outside of it are errors.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <vector>

#include "driver.h"

namespace cuda_on_cpu {
namespace {

constexpr size_t alignment = 256;  // as on the device
constexpr size_t pitch_alignment = 512;

using Ranges = std::map<uintptr_t, size_t>;  // size by address
Ranges device_ranges, pinned_ranges;
size_t allocated = 0;

void *pointer(CUdeviceptr address) { return reinterpret_cast<void *>(address); }

bool inside(const Ranges &ranges, uintptr_t address, size_t size) {
    auto after = ranges.upper_bound(address);
    if (after == ranges.begin()) return false;
    const auto &[begin, length] = *--after;
    return address - begin <= length && size <= length - (address - begin);
}

bool is_pinned(const void *host, size_t size) { return inside(pinned_ranges, reinterpret_cast<uintptr_t>(host), size); }

size_t free_memory() {
    size_t total;
    cuDeviceTotalMem_v2(&total, 0);
    return total - allocated;
}

template <class T>
CUresult set(CUdeviceptr to, T value, size_t count, CUstream stream) {
    ENTER;
    TRY(check_device_range(to, count * sizeof(T)));
    return submit(stream, [=] {
        T *const begin = static_cast<T *>(pointer(to));
        std::fill(begin, begin + count, value);
        return CUDA_SUCCESS;
    });
}

// One side of a two-dimensional copy.
struct Side {
    CUmemorytype type;
    const void *host;
    CUdeviceptr device;
    size_t pitch, x, y;

    char *row(size_t i) const {
        const void *base = type == CU_MEMORYTYPE_HOST ? host : pointer(device);
        return static_cast<char *>(const_cast<void *>(base)) + (y + i) * pitch + x;
    }
    CUresult check(size_t width, size_t height) const {
        if (type == CU_MEMORYTYPE_HOST) return CUDA_SUCCESS;
        if (type == CU_MEMORYTYPE_ARRAY) return fail(CUDA_ERROR_NOT_SUPPORTED, "there are no arrays, only memory");
        if (width > pitch) return fail(CUDA_ERROR_INVALID_VALUE, "rows are longer than the pitch");
        return check_device_range(reinterpret_cast<CUdeviceptr>(row(0)), (height - 1) * pitch + width);
    }
};

}  // namespace

CUresult check_device_range(CUdeviceptr address, size_t size) {
    if (size == 0 || inside(device_ranges, address, size)) return CUDA_SUCCESS;
    return fail(CUDA_ERROR_INVALID_VALUE, std::to_string(size) + " bytes are not inside one allocation of the device");
}

void add_device_range(CUdeviceptr address, size_t size) { device_ranges[address] = size; }
void remove_device_range(CUdeviceptr address) { device_ranges.erase(address); }

}  // namespace cuda_on_cpu

using namespace cuda_on_cpu;

ENTRY cuMemAlloc_v2(CUdeviceptr *address, size_t size) {
    ENTER;
    if (size == 0) return fail(CUDA_ERROR_INVALID_VALUE, "an allocation of 0 bytes");
    void *memory;
    if (size > free_memory() || posix_memalign(&memory, alignment, size))
        return fail(CUDA_ERROR_OUT_OF_MEMORY, std::to_string(size) + " bytes");
    memset(memory, 0xff, size);  // NaN: nobody may rely on zeros
    *address = reinterpret_cast<CUdeviceptr>(memory);
    device_ranges[*address] = size;
    allocated += size;
    return CUDA_SUCCESS;
}

ENTRY cuMemAllocPitch_v2(CUdeviceptr *address, size_t *pitch, size_t width, size_t height, unsigned) {
    *pitch = (width + pitch_alignment - 1) / pitch_alignment * pitch_alignment;
    return cuMemAlloc_v2(address, *pitch * height);
}

ENTRY cuMemAllocManaged(CUdeviceptr *address, size_t size, unsigned) { return cuMemAlloc_v2(address, size); }

ENTRY cuMemFree_v2(CUdeviceptr address) {
    ENTER;
    const auto range = device_ranges.find(address);
    if (range == device_ranges.end()) return fail(CUDA_ERROR_INVALID_VALUE, "no allocation begins at this address");
    const CUresult result = finish_all_streams();
    allocated -= range->second;
    device_ranges.erase(range);
    free(pointer(address));
    return result;
}

ENTRY cuMemGetInfo_v2(size_t *available, size_t *total) {
    ENTER;
    *available = free_memory();
    return cuDeviceTotalMem_v2(total, 0);
}

ENTRY cuMemGetAddressRange_v2(CUdeviceptr *base, size_t *size, CUdeviceptr address) {
    ENTER;
    if (!inside(device_ranges, address, 1)) return fail(CUDA_ERROR_NOT_FOUND, "not an address of the device");
    const auto &[begin, length] = *--device_ranges.upper_bound(address);
    if (base) *base = begin;
    if (size) *size = length;
    return CUDA_SUCCESS;
}

ENTRY cuMemHostAlloc(void **host, size_t size, unsigned) {
    ENTER;
    if (posix_memalign(host, 4096, size + !size))
        return fail(CUDA_ERROR_OUT_OF_MEMORY, std::to_string(size) + " bytes");
    pinned_ranges[reinterpret_cast<uintptr_t>(*host)] = size;
    return CUDA_SUCCESS;
}

ENTRY cuMemFreeHost(void *host) {
    ENTER;
    if (!pinned_ranges.erase(reinterpret_cast<uintptr_t>(host)))
        return fail(CUDA_ERROR_INVALID_VALUE, "no page-locked allocation begins at this address");
    const CUresult result = finish_all_streams();
    free(host);
    return result;
}

ENTRY cuMemHostRegister_v2(void *host, size_t size, unsigned) {
    ENTER;
    pinned_ranges[reinterpret_cast<uintptr_t>(host)] = size;
    return CUDA_SUCCESS;
}

ENTRY cuMemHostUnregister(void *host) {
    ENTER;
    TRY(finish_all_streams());
    if (!pinned_ranges.erase(reinterpret_cast<uintptr_t>(host)))
        return fail(CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED, "not registered");
    return CUDA_SUCCESS;
}

// Pageable memory is read before the call returns, as the real driver does, which stages it; page-locked memory is read
// when the stream comes to it.
ENTRY cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t size, CUstream stream) {
    ENTER;
    TRY(check_device_range(to, size));
    if (is_pinned(from, size)) return submit(stream, [=] { return memcpy(pointer(to), from, size), CUDA_SUCCESS; });
    const char *const bytes = static_cast<const char *>(from);
    return submit(stream, [to, staged = std::vector<char>(bytes, bytes + size)] {
        return memcpy(pointer(to), staged.data(), staged.size()), CUDA_SUCCESS;
    });
}

ENTRY cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t size, CUstream stream) {
    ENTER;
    TRY(check_device_range(from, size));
    TRY(submit(stream, [=] { return memcpy(to, pointer(from), size), CUDA_SUCCESS; }));
    return is_pinned(to, size) ? CUDA_SUCCESS : finish_stream(stream);
}

ENTRY cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t size, CUstream stream) {
    ENTER;
    TRY(check_device_range(to, size));
    TRY(check_device_range(from, size));
    return submit(stream, [=] { return memmove(pointer(to), pointer(from), size), CUDA_SUCCESS; });
}

ENTRY cuMemcpyHtoD_v2(CUdeviceptr to, const void *from, size_t size) {
    return cuMemcpyHtoDAsync_v2(to, from, size, nullptr);
}
ENTRY cuMemcpyDtoH_v2(void *to, CUdeviceptr from, size_t size) { return cuMemcpyDtoHAsync_v2(to, from, size, nullptr); }
ENTRY cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, size_t size) {
    return cuMemcpyDtoDAsync_v2(to, from, size, nullptr);
}

ENTRY cuMemcpy2DAsync_v2(const CUDA_MEMCPY2D *copy, CUstream stream) {
    ENTER;
    const size_t width = copy->WidthInBytes, height = copy->Height;
    if (width == 0 || height == 0) return CUDA_SUCCESS;
    const Side to = {copy->dstMemoryType, copy->dstHost,     copy->dstDevice,
                     copy->dstPitch,      copy->dstXInBytes, copy->dstY};
    const Side from = {copy->srcMemoryType, copy->srcHost,     copy->srcDevice,
                       copy->srcPitch,      copy->srcXInBytes, copy->srcY};
    TRY(to.check(width, height));
    TRY(from.check(width, height));
    TRY(submit(stream, [=] {
        for (size_t i = 0; i < height; i++) memmove(to.row(i), from.row(i), width);
        return CUDA_SUCCESS;
    }));
    const bool on_device = to.type != CU_MEMORYTYPE_HOST && from.type != CU_MEMORYTYPE_HOST;
    return on_device ? CUDA_SUCCESS : finish_stream(stream);
}
ENTRY cuMemcpy2D_v2(const CUDA_MEMCPY2D *copy) { return cuMemcpy2DAsync_v2(copy, nullptr); }
ENTRY cuMemcpy2DUnaligned_v2(const CUDA_MEMCPY2D *copy) { return cuMemcpy2D_v2(copy); }

ENTRY cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t n, CUstream stream) {
    return set(to, value, n, stream);
}
ENTRY cuMemsetD16Async(CUdeviceptr to, unsigned short value, size_t n, CUstream stream) {
    return set(to, value, n, stream);
}
ENTRY cuMemsetD32Async(CUdeviceptr to, unsigned value, size_t n, CUstream stream) { return set(to, value, n, stream); }
ENTRY cuMemsetD8_v2(CUdeviceptr to, unsigned char value, size_t n) { return set(to, value, n, nullptr); }
ENTRY cuMemsetD16_v2(CUdeviceptr to, unsigned short value, size_t n) { return set(to, value, n, nullptr); }
ENTRY cuMemsetD32_v2(CUdeviceptr to, unsigned value, size_t n) { return set(to, value, n, nullptr); }
