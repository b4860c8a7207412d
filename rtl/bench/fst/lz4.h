// Stands in for the LZ4 library, whose headers many machines lack, where Verilator writes FST waveforms.
// Its output is a valid LZ4 block of one run of literals: nothing is compressed.
#ifndef BCSIM_LZ4_H
#define BCSIM_LZ4_H

#include <cstring>

inline int LZ4_compressBound(int size) { return size + size / 255 + 16; }

inline int LZ4_compress_default(const char* source, char* target, int size, int capacity) {
    if (capacity < LZ4_compressBound(size)) return 0;
    char* end = target;
    *end++ = static_cast<char>(size < 15 ? size << 4 : 0xf0);
    if (size >= 15) {
        int rest = size - 15;
        for (; rest >= 255; rest -= 255) *end++ = static_cast<char>(255);
        *end++ = static_cast<char>(rest);
    }
    std::memcpy(end, source, size);
    return static_cast<int>(end - target) + size;
}

#endif
