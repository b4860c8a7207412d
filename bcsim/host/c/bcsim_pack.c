#include "bcsim_pack.h"

#include <string.h>

static uint32_t positions(uint32_t size, uint32_t before, uint32_t behind, uint32_t kernel, uint32_t stride) {
    return (size + before + behind - kernel) / stride + 1;
}

static size_t whole_words(size_t bytes, uint32_t width) { return (bytes + width - 1) / width * width; }

size_t bcsim_packed_bytes(const bcsim_shape *s) {
    if (!s->packed) return (size_t)s->height * s->width * whole_words(s->channels, s->input_bytes);
    const size_t rows = positions(s->height, s->pad_top, s->pad_bottom, s->kernel_height, s->stride_down);
    const size_t columns = positions(s->width, s->pad_left, s->pad_right, s->kernel_width, s->stride_right);
    return rows * columns * whole_words((size_t)s->kernel_height * s->kernel_width * s->channels, s->input_bytes);
}

/* One window's values, its padding filled in; returns the byte behind them. */
static uint8_t *pack_window(const bcsim_shape *s, const uint8_t *image, uint8_t *out, uint32_t row, uint32_t column) {
    for (uint32_t down = 0; down < s->kernel_height; ++down) {
        for (uint32_t right = 0; right < s->kernel_width; ++right, out += s->channels) {
            /* Above and left of the image these wrap around, beyond its size. */
            const uint32_t y = row * s->stride_down + down - s->pad_top;
            const uint32_t x = column * s->stride_right + right - s->pad_left;
            if (y < s->height && x < s->width)
                memcpy(out, image + ((size_t)y * s->width + x) * s->channels, s->channels);
            else
                memset(out, s->pad_level, s->channels);
        }
    }
    return out;
}

static void pack_windows(const bcsim_shape *s, const uint8_t *image, uint8_t *out) {
    const uint32_t rows = positions(s->height, s->pad_top, s->pad_bottom, s->kernel_height, s->stride_down);
    const uint32_t columns = positions(s->width, s->pad_left, s->pad_right, s->kernel_width, s->stride_right);
    const size_t values = (size_t)s->kernel_height * s->kernel_width * s->channels;
    const size_t filling = whole_words(values, s->input_bytes) - values;
    for (uint32_t row = 0; row < rows; ++row) {
        for (uint32_t column = 0; column < columns; ++column) {
            out = pack_window(s, image, out, row, column);
            memset(out, 0, filling);
            out += filling;
        }
    }
}

void bcsim_pack_image(const bcsim_shape *s, const uint8_t *image, uint8_t *packed) {
    if (s->packed) {
        pack_windows(s, image, packed);
        return;
    }
    const size_t filling = whole_words(s->channels, s->input_bytes) - s->channels;
    for (size_t position = 0; position < (size_t)s->height * s->width; ++position) {
        memcpy(packed, image + position * s->channels, s->channels);
        memset(packed + s->channels, 0, filling);
        packed += s->channels + filling;
    }
}
