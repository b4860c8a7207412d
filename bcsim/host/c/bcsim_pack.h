/* Images as an accelerator's input stream carries them. C99, no memory is allocated. */
#ifndef BCSIM_PACK_H
#define BCSIM_PACK_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The shape of an image and of its stream; BCSIM_SHAPE of bcsim_pack.h makes one from a design.h. */
typedef struct {
    uint32_t height, width, channels;
    uint32_t input_bytes;               /* of a word of the stream */
    uint32_t packed;                    /* positions are windows, as below */
    uint32_t kernel_height, kernel_width;
    uint32_t stride_down, stride_right;
    uint32_t pad_top, pad_left, pad_bottom, pad_right;
    uint8_t pad_level;
} bcsim_shape;

#define BCSIM_SHAPE \
    { \
        BCSIM_DESIGN_HEIGHT, BCSIM_DESIGN_WIDTH, BCSIM_DESIGN_CHANNELS, BCSIM_DESIGN_INPUT_BYTES, \
        BCSIM_DESIGN_PACKED, BCSIM_DESIGN_KERNEL_HEIGHT, BCSIM_DESIGN_KERNEL_WIDTH, \
        BCSIM_DESIGN_STRIDE_DOWN, BCSIM_DESIGN_STRIDE_RIGHT, BCSIM_DESIGN_PAD_TOP, \
        BCSIM_DESIGN_PAD_LEFT, BCSIM_DESIGN_PAD_BOTTOM, BCSIM_DESIGN_PAD_RIGHT, BCSIM_DESIGN_PAD_LEVEL \
    }

/* Bytes that bcsim_pack_image writes, a multiple of input_bytes. */
size_t bcsim_packed_bytes(const bcsim_shape *shape);

/* Packs an image of height * width * channels levels, (row, column, channel), into bcsim_packed_bytes bytes.
 * TKEEP is all ones for every word; TLAST belongs to the last. */
void bcsim_pack_image(const bcsim_shape *shape, const uint8_t *image, uint8_t *packed);

#ifdef __cplusplus
}
#endif

#endif
